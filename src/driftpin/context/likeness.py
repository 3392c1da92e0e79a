"""Which removed resource is which added one: renames, told by equal or similar content."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Final

from driftpin import limits
from driftpin.context.bodies import BodyReader, find_text
from driftpin.context.resource import (
    Body,
    InstructionBody,
    Resource,
    ServerBody,
    SkillBody,
    SkillFile,
    Status,
)
from driftpin.identity import Digest

# Six lines of ten in common: the share at which a reader sees one file that moved and was edited.
LIKENESS_MIN: Final = 0.6

Pair = tuple[Resource, Resource]
# The lines of a text with how often each stands in it; None where there is no text.
_LineReader = Callable[[Digest | None], Counter[str] | None]


def pair_renames(
    removed: Sequence[Resource], added: Sequence[Resource], bodies: BodyReader
) -> tuple[Pair, ...]:
    """Return (removed, added) pairs that are one resource under two sources, each used once.

    Equal content pairs first, then the most alike. Ties go by source, so the answer is the same
    whatever the order of the lists.
    """
    old = sorted(_usable(removed), key=lambda resource: resource.source)
    new = sorted(_usable(added), key=lambda resource: resource.source)
    exact = _exact_pairs(old, new)
    taken = {resource.source for pair in exact for resource in pair}
    rest_old = [resource for resource in old if resource.source not in taken]
    rest_new = [resource for resource in new if resource.source not in taken]
    if len(rest_old) * len(rest_new) > limits.RENAME_PAIRS_MAX:
        return tuple(exact)
    return (*exact, *_alike_pairs(rest_old, rest_new, bodies))


def _usable(resources: Sequence[Resource]) -> Iterator[Resource]:
    for resource in resources:
        if resource.status is Status.OK and resource.body is not None:
            yield resource


def _exact_pairs(old: Sequence[Resource], new: Sequence[Resource]) -> list[Pair]:
    by_content: dict[Body, list[Resource]] = {}
    for resource in reversed(old):
        by_content.setdefault(_nameless(resource.body), []).append(resource)
    pairs: list[Pair] = []
    for resource in new:
        same = by_content.get(_nameless(resource.body))
        if same:
            pairs.append((same.pop(), resource))
    return pairs


def _nameless(body: Body) -> Body:
    """Return the body without the name that a skill must share with its folder."""
    return replace(body, name="") if isinstance(body, SkillBody) else body


def _alike_pairs(
    old: Sequence[Resource], new: Sequence[Resource], bodies: BodyReader
) -> Iterator[Pair]:
    lines = cache(lambda digest: _lines(find_text(bodies, digest)))
    scored = [
        (_likeness(before.body, after.body, lines), before, after)
        for before in old
        for after in new
        if before.kind is after.kind
    ]
    scored.sort(key=lambda found: (-found[0], found[1].source, found[2].source))
    taken: set[str] = set()
    for score, before, after in scored:
        if score >= LIKENESS_MIN and not taken & {before.source, after.source}:
            taken |= {before.source, after.source}
            yield before, after


def _likeness(before: Body, after: Body, lines: _LineReader) -> float:
    """Return how alike two bodies of one kind are, from 0 to 1; bytes not to be had count as 0."""
    match before, after:
        case InstructionBody(digest=old), InstructionBody(digest=new):
            return _likeness_of_texts(old, new, lines)
        case SkillBody(files=old_files), SkillBody(files=new_files):
            return _likeness_of_files(old_files, new_files, lines)
        case ServerBody(identity=old), ServerBody(identity=new):
            return 1.0 if old == new else 0.0
        case _:
            return 0.0


def _likeness_of_files(
    before: Sequence[SkillFile], after: Sequence[SkillFile], lines: _LineReader
) -> float:
    old = {file.path: file.digest for file in before}
    new = {file.path: file.digest for file in after}
    shared = sum(_likeness_of_texts(old[path], new[path], lines) for path in old.keys() & new)
    return shared / max(1, len(old.keys() | new.keys()))


def _likeness_of_texts(before: Digest | None, after: Digest | None, lines: _LineReader) -> float:
    if before is not None and before == after:
        return 1.0
    old, new = lines(before), lines(after)
    if old is None or new is None:
        return 0.0
    return 2 * (old & new).total() / max(1, old.total() + new.total())


def _lines(text: str | None) -> Counter[str] | None:
    if text is None:
        return None
    return Counter(line for raw in text.split("\n") if (line := raw.strip()))


__all__ = ["LIKENESS_MIN", "Pair", "pair_renames"]
