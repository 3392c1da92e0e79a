"""What lies between two catalogues of one MCP server, tool by tool and parameter by parameter.

A definition is everything of a tool that a model sees. How much a change matters follows the table
of spec/pinning.md §4: another notation of the same schema, an addition, a change of behaviour, or
something risky: hidden characters, or words that name a tool of another server.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from driftpin.context.hidden_text import visible
from driftpin.context.manifest import Json
from driftpin.context.schema_meaning import (
    Parameter,
    TooComplex,
    normal_form,
    parameters_of,
    rest_of,
)
from driftpin.context.severity import Severity, brings_hidden, worst
from driftpin.context.tool_renames import pair_tool_renames, texts_in

Definition = Mapping[str, Json]

# Names that are ordinary words say nothing about another server.
FOREIGN_NAME_CHARACTERS_MIN: Final = 6
SHOWN_CHARACTERS_MAX: Final = 2_000


class ToolChange(StrEnum):
    """What happened to a tool."""

    ADDED = "added"
    REMOVED = "removed"
    MODIFIED = "modified"
    RENAMED = "renamed"


class Aspect(StrEnum):
    """What of a tool is another."""

    TITLE = "title"
    DESCRIPTION = "description"
    ANNOTATIONS = "annotations"
    OUTPUT = "output"
    PARAMETER_ADDED = "parameter_added"
    PARAMETER_REMOVED = "parameter_removed"
    PARAMETER_REQUIREMENT = "parameter_requirement"
    PARAMETER_TYPE = "parameter_type"
    PARAMETER_VALUES = "parameter_values"
    PARAMETER_DESCRIPTION = "parameter_description"
    PARAMETER = "parameter"
    SCHEMA = "schema"
    NOTATION = "notation"


@dataclass(frozen=True, slots=True)
class ToolPart:
    """One difference. `place` is the parameter; texts are JSON or prose, hidden marks visible."""

    aspect: Aspect
    severity: Severity
    place: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class ToolDrift:
    """One tool that differs; a renamed one stands under its new name."""

    name: str
    change: ToolChange
    severity: Severity
    previous_name: str | None = None
    parts: tuple[ToolPart, ...] = ()


def read_definition(content: bytes | None) -> Definition:
    """Return the definition that a tool's blob holds; empty if its bytes are not to be had."""
    if content is None:
        return {}
    try:
        definition = json.loads(content)
    except ValueError:
        return {}
    return definition if isinstance(definition, dict) else {}


def compare_tools(
    before: Mapping[str, Definition],
    after: Mapping[str, Definition],
    *,
    foreign: Collection[str] = (),
) -> tuple[ToolDrift, ...]:
    """Return every tool that differs, ordered by name. `foreign` are other servers' tools."""
    gone = [name for name in sorted(before) if name not in after]
    new = [name for name in sorted(after) if name not in before]
    renamed = pair_tool_renames(before, after)
    found = [
        *(_modified(name, before[name], after[name], foreign) for name in before if name in after),
        *(_renamed(old, name, before[old], after[name], foreign) for name, old in renamed.items()),
        *(_added(name, after[name], foreign) for name in new if name not in renamed),
        *(
            ToolDrift(name, ToolChange.REMOVED, Severity.BEHAVIOURAL)
            for name in gone
            if name not in renamed.values()
        ),
    ]
    return tuple(sorted((each for each in found if each is not None), key=lambda each: each.name))


def names_foreign(text: str, foreign: Collection[str]) -> bool:
    """Whether the text names a tool of another server, as a word of its own."""
    words = set(re.findall(r"\w+(?:[.-]\w+)*", text))
    return any(len(name) >= FOREIGN_NAME_CHARACTERS_MIN and name in words for name in foreign)


def _added(name: str, definition: Definition, foreign: Collection[str]) -> ToolDrift:
    is_risky = _is_risky({}, definition, foreign)
    return ToolDrift(name, ToolChange.ADDED, Severity.RISKY if is_risky else Severity.ADDITIVE)


def _renamed(
    old: str, name: str, before: Definition, after: Definition, foreign: Collection[str]
) -> ToolDrift:
    """Judge a tool under a new name: nothing of it was approved under that name before."""
    parts = tuple(_parts(before, after))
    severities = [Severity.BEHAVIOURAL, *(part.severity for part in parts)]
    if _is_risky({}, {**after, "name": name}, foreign):
        severities.append(Severity.RISKY)
    return ToolDrift(name, ToolChange.RENAMED, max(severities), previous_name=old, parts=parts)


def _modified(
    name: str, before: Definition, after: Definition, foreign: Collection[str]
) -> ToolDrift | None:
    if before == after:
        return None
    parts = tuple(_parts(before, after))
    severity = worst(part.severity for part in parts) or Severity.BEHAVIOURAL
    if _is_risky(before, after, foreign):
        severity = Severity.RISKY
    return ToolDrift(name, ToolChange.MODIFIED, severity, parts=parts)


def _is_risky(before: Definition, after: Definition, foreign: Collection[str]) -> bool:
    old, new = _all_text(before), _all_text(after)
    newly_named = names_foreign(new, foreign) and not names_foreign(old, foreign)
    return brings_hidden(old, new) or newly_named


def _all_text(value: Json | Definition) -> str:
    """Return every text in a definition, keys included: all of it reaches a model."""
    return "\n".join(texts_in(value))


def _parts(before: Definition, after: Definition) -> Iterator[ToolPart]:
    for field, aspect in (
        ("title", Aspect.TITLE),
        ("description", Aspect.DESCRIPTION),
        ("annotations", Aspect.ANNOTATIONS),
    ):
        if before.get(field) != after.get(field):
            yield _part(aspect, before.get(field), after.get(field))
    yield from _output_parts(before.get("outputSchema"), after.get("outputSchema"))
    yield from _input_parts(before.get("inputSchema"), after.get("inputSchema"))


def _output_parts(before: Json, after: Json) -> Iterator[ToolPart]:
    if before == after:
        return
    if _means_the_same(before, after):
        yield ToolPart(Aspect.NOTATION, Severity.NOTATION, "output")
    else:
        yield _part(Aspect.OUTPUT, before, after)


def _means_the_same(before: Json, after: Json) -> bool:
    try:
        return normal_form(before) == normal_form(after)
    except TooComplex:
        return False


def _input_parts(before: Json, after: Json) -> Iterator[ToolPart]:
    if before == after:
        return
    try:
        old, new = normal_form(before), normal_form(after)
    except TooComplex:
        yield _part(Aspect.SCHEMA, before, after)
        return
    if old == new:
        yield ToolPart(Aspect.NOTATION, Severity.NOTATION)
        return
    parts = list(_parameter_parts(parameters_of(old), parameters_of(new)))
    if rest_of(old) != rest_of(new) or not parts:
        parts.append(_part(Aspect.SCHEMA, rest_of(old), rest_of(new)))
    yield from parts


def _parameter_parts(
    before: tuple[Parameter, ...], after: tuple[Parameter, ...]
) -> Iterator[ToolPart]:
    old = {parameter.path: parameter for parameter in before}
    new = {parameter.path: parameter for parameter in after}
    for path in sorted(old.keys() | new.keys()):
        if path not in new:
            yield _part(Aspect.PARAMETER_REMOVED, dict(old[path].schema), None, path)
        elif path not in old:
            severity = Severity.BEHAVIOURAL if new[path].is_required else Severity.ADDITIVE
            yield _part(Aspect.PARAMETER_ADDED, None, dict(new[path].schema), path, severity)
        elif old[path] != new[path]:
            yield from _changed_parameter(old[path], new[path])


def _changed_parameter(old: Parameter, new: Parameter) -> Iterator[ToolPart]:
    if old.is_required != new.is_required:
        words = {True: "required", False: "optional"}
        yield _part(
            Aspect.PARAMETER_REQUIREMENT, words[old.is_required], words[new.is_required], old.path
        )
    named = (
        ("type", Aspect.PARAMETER_TYPE),
        ("enum", Aspect.PARAMETER_VALUES),
        ("description", Aspect.PARAMETER_DESCRIPTION),
    )
    for key, aspect in named:
        if old.schema.get(key) != new.schema.get(key):
            yield _part(aspect, old.schema.get(key), new.schema.get(key), old.path)
    keys = {key for key, _ in named}
    before = {key: value for key, value in old.schema.items() if key not in keys}
    after = {key: value for key, value in new.schema.items() if key not in keys}
    if before != after:
        yield _part(Aspect.PARAMETER, before, after, old.path)


def _part(
    aspect: Aspect,
    before: Json,
    after: Json,
    place: str = "",
    severity: Severity = Severity.BEHAVIOURAL,
) -> ToolPart:
    return ToolPart(aspect, severity, visible(place), _shown(before), _shown(after))


def _shown(value: Json) -> str:
    """Return a value for reading: prose as it is, anything else as JSON; nothing for nothing."""
    if value is None:
        return ""
    text = (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    )
    shown = visible(text)
    is_long = len(shown) > SHOWN_CHARACTERS_MAX
    return f"{shown[:SHOWN_CHARACTERS_MAX]}…" if is_long else shown


__all__ = [
    "Aspect",
    "Definition",
    "ToolChange",
    "ToolDrift",
    "ToolPart",
    "compare_tools",
    "names_foreign",
    "read_definition",
]
