"""Which schemas of tools can be pinned and checked, and the check of arguments against one.

Nothing is fetched, ever: a `$ref` leads inside the schema or the schema is refused. The check of a
`pattern` is left to the server where Python could take exponential time over it, or writes it in
another dialect (JSON Schema means ECMA-262). JSON Schema 2020-12.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

from driftpin.context.manifest import Json

SCHEMA_DEPTH_MAX: Final = 64
SCHEMA_NODES_MAX: Final = 20_000
PATTERN_CHARACTERS_MAX: Final = 1_000
REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
PATTERN_TEXT_CHARACTERS_MAX: Final = 2_000
OPEN_REPEATS_MAX: Final = 2
_ESCAPE: Final = re.compile(r"\\[^0-9]")
_CLASS: Final = re.compile(r"\[\^?\]?[^\]]*\]")
_OPEN_REPEAT: Final = re.compile(r"[*+]|\{\d*,\d*\}")
# A repeated group, a reference back, and whatever looks ahead or behind.
_COSTLY: Final = re.compile(r"\)[*+{]|\\[0-9]|\(\?(?!:)")


def find_schema_fault(schema: Json, *, is_input: bool) -> str | None:
    """Return why a schema cannot be pinned (`bad_schema…`), None if it can."""
    if not isinstance(schema, dict):
        return "bad_schema"
    if is_input and schema.get("type", "object") != "object":
        return "bad_schema"
    try:
        references = list(_references(schema))
    except _TooComplex:
        return "bad_schema/too_complex"
    if not all(reference.startswith("#") for reference in references):
        return "bad_schema/remote_ref"
    return None if _is_valid(schema) else "bad_schema"


class _TooComplex(Exception):
    """Past what is looked at; never leaves this module."""


def _references(schema: Json) -> Iterator[str]:
    """Give every reference of a schema; raises _TooComplex for one that is too deep or large."""
    waiting: list[tuple[Json, int]] = [(schema, 0)]
    left = SCHEMA_NODES_MAX
    while waiting:
        value, depth = waiting.pop()
        left -= 1
        if left < 0 or depth > SCHEMA_DEPTH_MAX:
            raise _TooComplex
        if isinstance(value, dict):
            yield from (named for key in REFERENCES if isinstance(named := value.get(key), str))
            waiting.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, list):
            waiting.extend((inner, depth + 1) for inner in value)


def _is_valid(schema: dict[str, Json]) -> bool:
    # Imported here: it takes a tenth of a second, and many agents have no MCP server.
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # has no types
    from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped] # the same

    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError):
        return False
    return True


def check_arguments(schema: Mapping[str, Json], arguments: Json) -> str | None:
    """Return a JSON pointer to the first argument that breaks the schema, None if none does.

    The schema must have passed `find_schema_fault`. The pointer of the whole is the empty text.
    """
    validator = _validator(schema)
    try:
        faults = sorted(
            validator.iter_errors(arguments), key=lambda fault: [str(key) for key in fault.path]
        )
    except RecursionError:
        return ""
    if not faults:
        return None
    return "".join(f"/{_escaped(str(key))}" for key in faults[0].absolute_path)


def _escaped(key: str) -> str:
    # RFC 6901 §3.
    return key.replace("~", "~0").replace("/", "~1")


def _validator(schema: Mapping[str, Json]) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend  # type: ignore[import-untyped] # has no types
    from referencing import Registry

    # An empty registry: what is not in the schema is not to be had.
    checked = extend(
        Draft202012Validator, {"pattern": _pattern, "patternProperties": _pattern_properties}
    )
    return checked(schema, registry=Registry())


def _pattern(_validator: Any, pattern: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    compiled = compile_safely(pattern)
    is_checked = isinstance(instance, str) and len(instance) <= PATTERN_TEXT_CHARACTERS_MAX
    if is_checked and compiled is not None and not compiled.search(instance):
        yield ValidationError("does not match its pattern")


def _pattern_properties(
    validator: Any, patterns: Any, instance: Any, _schema: Any
) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    for pattern, schema in patterns.items():
        compiled = compile_safely(pattern)
        for name, value in instance.items() if compiled is not None else ():
            if compiled is not None and compiled.search(name):
                yield from validator.descend(value, schema, path=name, schema_path=pattern)


def compile_safely(pattern: Any) -> re.Pattern[str] | None:
    """Return the pattern if searching for it costs at most the square of a text's length."""
    if not isinstance(pattern, str) or len(pattern) > PATTERN_CHARACTERS_MAX:
        return None
    written = _CLASS.sub("c", _ESCAPE.sub("e", pattern))
    if _COSTLY.search(written) or len(_OPEN_REPEAT.findall(written)) > OPEN_REPEATS_MAX:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return re.compile(pattern)
    except (re.error, RecursionError, OverflowError, Warning):
        return None


__all__ = ["check_arguments", "compile_safely", "find_schema_fault"]
