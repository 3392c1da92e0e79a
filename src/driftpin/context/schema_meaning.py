"""What a tool's input schema means, apart from how it is written.

Two schemas with one `normal_form` accept the same values and say the same words: keywords in any
order, a single type in a list, `const` for an `enum` of one, a local `$ref` in place of what it
names. It is a one-sided test: schemas may mean the same and still differ in form. Nothing is
fetched: a `$ref` that is not local stays as it is written. JSON Schema 2020-12.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import rfc8785

from driftpin.context.manifest import Json

# A schema past these is compared as it is written.
DEPTH_MAX: Final = 32
NODES_MAX: Final = 5_000
_DEFINITIONS: Final = ("$defs", "definitions")
_WITHOUT_MEANING: Final = frozenset({"$schema", "$comment", "$id", *_DEFINITIONS})
_SUBSCHEMA: Final = frozenset(
    {"additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"}
    | {"unevaluatedItems", "unevaluatedProperties"}
)
_SUBSCHEMA_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SUBSCHEMA_MAPS: Final = frozenset({"dependentSchemas", "patternProperties", "properties"})
# Sets; `oneOf` has no order either, but one twice in it is another meaning.
_SETS: Final = frozenset({"allOf", "anyOf", "enum", "required"})
# What a keyword means when it is not there.
_DEFAULTS: Final[Mapping[str, tuple[Json, ...]]] = {
    "additionalProperties": (True, {}),
    "deprecated": (False,),
    "items": (True, {}),
    "minItems": (0,),
    "minLength": (0,),
    "minProperties": (0,),
    "patternProperties": ({},),
    "properties": ({},),
    "readOnly": (False,),
    "required": ([],),
    "uniqueItems": (False,),
    "writeOnly": (False,),
}


class TooComplex(Exception):
    """The schema nests too deep, has too many parts, or refers to itself."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One place in a schema that takes a value: `a.b` below an object, `a[]` in an array."""

    path: str
    schema: Mapping[str, Json]
    is_required: bool


def normal_form(schema: Json) -> Json:
    """Return the schema in its one form; raises TooComplex."""
    return _Normal(schema).of(schema, 0, frozenset())


def parameters_of(schema: Json) -> tuple[Parameter, ...]:
    """Return every parameter of a schema in its normal form, ordered by path."""
    found = _below(schema, "") if isinstance(schema, dict) else ()
    return tuple(sorted(found, key=lambda parameter: parameter.path))


def rest_of(schema: Json) -> Json:
    """Return the schema without its properties: what it says beside its parameters."""
    if not isinstance(schema, dict):
        return schema
    return {key: value for key, value in schema.items() if key not in ("properties", "required")}


def _below(schema: Mapping[str, Json], path: str) -> Iterator[Parameter]:
    properties, required = schema.get("properties"), schema.get("required")
    names = required if isinstance(required, list) else []
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        if isinstance(inner, dict):
            place = f"{path}.{name}" if path else name
            yield Parameter(place, _own(inner), name in names)
            yield from _below(inner, place)
    items = schema.get("items")
    if path and isinstance(items, dict):
        yield Parameter(f"{path}[]", _own(items), is_required=False)
        yield from _below(items, f"{path}[]")


def _own(schema: Mapping[str, Json]) -> dict[str, Json]:
    """Return what a schema says of its own value, without what stands below it."""
    nested = ("properties", "required", "items")
    return {
        key: value
        for key, value in schema.items()
        if key not in nested or not isinstance(value, dict | list)
    }


class _Normal:
    """One walk over a schema; counts what it meets."""

    def __init__(self, root: Json) -> None:
        self._definitions = _definitions_of(root)
        self._left = NODES_MAX

    def of(self, schema: Json, depth: int, inside: frozenset[str]) -> Json:
        self._left -= 1
        if depth > DEPTH_MAX or self._left < 0:
            raise TooComplex
        if schema is True:
            return {}
        if not isinstance(schema, dict):
            return schema
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference in self._definitions:
            return self._resolved(schema, reference, depth, inside)
        normal = {
            key: self._keyword(key, value, depth + 1, inside)
            for key, value in schema.items()
            if key not in _WITHOUT_MEANING
        }
        return _simplest(normal)

    def _resolved(
        self, schema: dict[str, Json], reference: str, depth: int, inside: frozenset[str]
    ) -> Json:
        if reference in inside:
            raise TooComplex
        named = self._definitions[reference]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        if not isinstance(named, dict):
            return self.of(named, depth + 1, inside | {reference})
        if named.keys() & beside.keys():
            both: list[Json] = [named, beside]
            return self.of({"allOf": both}, depth + 1, inside | {reference})
        return self.of({**named, **beside}, depth + 1, inside | {reference})

    def _keyword(self, key: str, value: Json, depth: int, inside: frozenset[str]) -> Json:
        if key in _SUBSCHEMA:
            value = self.of(value, depth, inside)
        elif key in _SUBSCHEMA_LISTS and isinstance(value, list):
            value = [self.of(each, depth, inside) for each in value]
        elif key in _SUBSCHEMA_MAPS and isinstance(value, dict):
            value = {name: self.of(each, depth, inside) for name, each in value.items()}
        if key in _SETS and isinstance(value, list):
            return _unique(value)
        if key == "oneOf" and isinstance(value, list):
            return sorted(value, key=rfc8785.dumps)
        return value


def _definitions_of(root: Json) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for place in _DEFINITIONS:
        named = root.get(place) if isinstance(root, dict) else None
        if isinstance(named, dict):
            found |= {f"#/{place}/{name}": each for name, each in named.items()}
    return found


def _simplest(schema: dict[str, Json]) -> dict[str, Json]:
    """Apply what makes a schema simpler until nothing does: one step may make room for another."""
    while (simpler := _with_plain_types(_merged(_without_defaults(schema)))) != schema:
        schema = simpler
    return schema


def _merged(schema: dict[str, Json]) -> dict[str, Json]:
    """Take an `allOf` of one schema that says nothing twice into the schema around it."""
    every = schema.get("allOf")
    if not isinstance(every, list) or len(every) != 1 or not isinstance(every[0], dict):
        return schema
    beside = {key: value for key, value in schema.items() if key != "allOf"}
    is_mergeable = "$ref" not in every[0] and not every[0].keys() & beside.keys()
    return {**every[0], **beside} if is_mergeable else schema


def _with_plain_types(schema: dict[str, Json]) -> dict[str, Json]:
    """Write `const` as `enum`, alternatives of bare types as a list, and a list of one plainly."""
    if "const" in schema and "enum" not in schema:
        schema = {key: value for key, value in schema.items() if key != "const"} | {
            "enum": [schema["const"]]
        }
    alternatives = schema.get("anyOf")
    if "type" not in schema and isinstance(alternatives, list) and alternatives:
        types = [_bare_type(each) for each in alternatives]
        if None not in types:
            listed: list[Json] = [name for name in types if name is not None]
            schema = {key: value for key, value in schema.items() if key != "anyOf"}
            schema["type"] = listed
    kinds = schema.get("type")
    if isinstance(kinds, list):
        unique = _unique(kinds)
        schema = schema | {"type": unique[0] if len(unique) == 1 else unique}
    return schema


def _bare_type(schema: Json) -> str | None:
    if isinstance(schema, dict) and schema.keys() == {"type"}:
        name = schema["type"]
        return name if isinstance(name, str) else None
    return None


def _without_defaults(schema: dict[str, Json]) -> dict[str, Json]:
    return {
        key: value
        for key, value in schema.items()
        if not any(_is_same(value, default) for default in _DEFAULTS.get(key, ()))
    }


def _is_same(value: Json, other: Json) -> bool:
    # False == 0 in Python, and not in JSON.
    return type(value) is type(other) and value == other


def _unique(values: Iterable[Json]) -> list[Json]:
    """Return the values once each, in the order of their canonical form."""
    by_form = {rfc8785.dumps(value): value for value in values}
    return [by_form[form] for form in sorted(by_form)]


__all__ = ["Parameter", "TooComplex", "normal_form", "parameters_of", "rest_of"]
