"""Which tool of a new catalogue is one of the old under another name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import rfc8785

from driftpin import limits
from driftpin.context.likeness import LIKENESS_MIN
from driftpin.context.manifest import Json

# Fewer words in common say nothing: every tool that takes a path has these.
COMMON_WORDS_MIN: Final = 4
_WORD: Final = re.compile(r"\w+")
# What stands in every schema, whatever the tool does.
_NOTATION: Final = frozenset(
    {
        *("inputSchema", "outputSchema", "annotations", "title", "description", "type", "enum"),
        *("properties", "required", "items", "additionalProperties", "default", "$schema"),
        *("object", "string", "number", "integer", "boolean", "array", "null"),
    }
)


def pair_tool_renames(
    before: Mapping[str, Mapping[str, Json]], after: Mapping[str, Mapping[str, Json]]
) -> dict[str, str]:
    """Return the old name of each tool that is renamed, by its new one.

    Tools that are the same but for their name pair first, then the most alike in the words of their
    descriptions and parameters. Each is used once, and ties go by name.
    """
    gone = [name for name in sorted(before) if name not in after]
    new = [name for name in sorted(after) if name not in before]
    paired = dict(_equal_pairs(gone, new, before, after))
    gone = [name for name in gone if name not in paired.values()]
    new = [name for name in new if name not in paired]
    if len(gone) * len(new) <= limits.RENAME_PAIRS_MAX:
        paired |= dict(_alike_pairs(gone, new, before, after))
    return paired


def _equal_pairs(
    gone: Sequence[str],
    new: Sequence[str],
    before: Mapping[str, Mapping[str, Json]],
    after: Mapping[str, Mapping[str, Json]],
) -> Iterator[tuple[str, str]]:
    by_content: dict[bytes, list[str]] = {}
    for name in gone:
        by_content.setdefault(_nameless(before[name]), []).append(name)
    for name in new:
        candidates = by_content.get(_nameless(after[name]), [])
        if candidates:
            yield name, candidates.pop(0)


def _alike_pairs(
    gone: Sequence[str],
    new: Sequence[str],
    before: Mapping[str, Mapping[str, Json]],
    after: Mapping[str, Mapping[str, Json]],
) -> Iterator[tuple[str, str]]:
    old_words = {name: _words(before[name]) for name in gone}
    new_words = {name: _words(after[name]) for name in new}
    scored = sorted(
        (-_likeness(old_words[old], new_words[name]), old, name) for old in gone for name in new
    )
    taken: set[tuple[str, str]] = set()
    for score, old, name in scored:
        if -score >= LIKENESS_MIN and not taken & {("old", old), ("new", name)}:
            taken |= {("old", old), ("new", name)}
            yield name, old


def _likeness(old: frozenset[str], new: frozenset[str]) -> float:
    common = len(old & new)
    return 0.0 if common < COMMON_WORDS_MIN else 2 * common / (len(old) + len(new))


def _words(definition: Mapping[str, Json]) -> frozenset[str]:
    told = {key: value for key, value in definition.items() if key != "name"}
    return frozenset(
        word.lower()
        for text in texts_in(told)
        if text not in _NOTATION
        for word in _WORD.findall(text)
    )


def texts_in(value: Json | Mapping[str, Json]) -> Iterator[str]:
    """Give every text in a definition, keys included."""
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from texts_in(each)
        case Mapping():
            for key, each in value.items():
                yield key
                yield from texts_in(each)
        case _:
            return


def _nameless(definition: Mapping[str, Json]) -> bytes:
    return rfc8785.dumps({key: value for key, value in definition.items() if key != "name"})


__all__ = ["pair_tool_renames", "texts_in"]
