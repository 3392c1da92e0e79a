"""Two ways to write one schema are one; two schemas that differ are never taken for one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # has no types

from driftpin.context.schema_meaning import (
    DEPTH_MAX,
    NODES_MAX,
    TooComplex,
    normal_form,
    parameters_of,
)

TEXT: dict[str, Any] = {"type": "string"}
KEYWORDS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", ["string", "null"], ["integer"], "object"]),
        "enum": st.lists(st.sampled_from([1, "a", None, True]), min_size=1, max_size=3),
        "const": st.sampled_from([0, "a", False]),
        "description": st.sampled_from(["", "what it is"]),
        "minLength": st.sampled_from([0, 1]),
        "required": st.lists(st.sampled_from(["a", "b"]), max_size=2),
        "additionalProperties": st.booleans(),
        "default": st.sampled_from([1, "x"]),
    },
)


def _wider(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    listed = st.lists(inner, min_size=1, max_size=2)
    more = st.fixed_dictionaries(
        {}, optional={"properties": named, "items": inner, "anyOf": listed, "allOf": listed}
    )
    return st.tuples(KEYWORDS, more).map(lambda both: {**both[0], **both[1]})


SCHEMAS = st.recursive(KEYWORDS, _wider, max_leaves=6)
VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, "", "a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"type": ["string"]}, {"type": "string"}),
        ({"type": ["null", "string"]}, {"type": ["string", "null"]}),
        ({"anyOf": [TEXT, {"type": "null"}]}, {"type": ["string", "null"]}),
        ({"const": 1}, {"enum": [1]}),
        ({"enum": ["b", "a"]}, {"enum": ["a", "b", "a"]}),
        ({"required": ["b", "a"]}, {"required": ["a", "b"]}),
        ({"type": "object", "required": [], "properties": {}}, {"type": "object"}),
        ({"additionalProperties": True}, {}),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema", **TEXT}, TEXT),
        ({"properties": {"a": True}}, {"properties": {"a": {}}}),
        ({"allOf": [TEXT]}, TEXT),
        ({"oneOf": [TEXT, {"type": "null"}]}, {"oneOf": [{"type": "null"}, TEXT]}),
        (
            {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": TEXT}},
            {"properties": {"a": TEXT}},
        ),
        (
            {"properties": {"a": {"$ref": "#/$defs/A", "description": "x"}}, "$defs": {"A": TEXT}},
            {"properties": {"a": {**TEXT, "description": "x"}}},
        ),
    ],
)
def test_other_notations_have_one_form(one: Any, other: Any) -> None:
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TEXT, {"type": "integer"}),
        ({"enum": [1]}, {"enum": [True]}),
        ({"enum": [0]}, {"enum": [False]}),
        ({"minLength": 1}, {}),
        ({"additionalProperties": False}, {}),
        ({"uniqueItems": True}, {}),
        ({"description": "a"}, {"description": "b"}),
        ({"$ref": "https://host/schema"}, {}),
        ({"default": False}, {"default": 0}),
        ({"oneOf": [TEXT, TEXT]}, {"oneOf": [TEXT]}),
        ({"anyOf": [TEXT, {"type": "null", "description": "none"}]}, {"type": ["string", "null"]}),
    ],
)
def test_what_differs_keeps_two_forms(one: Any, other: Any) -> None:
    assert repr(normal_form(one)) != repr(normal_form(other))


@given(SCHEMAS)
def test_a_normal_form_is_its_own(schema: dict[str, Any]) -> None:
    normal = normal_form(schema)
    assert normal_form(normal) == normal


@given(SCHEMAS, VALUES)
def test_a_normal_form_accepts_what_the_schema_accepts(schema: dict[str, Any], value: Any) -> None:
    normal: Any = normal_form(schema)
    accepted = Draft202012Validator(schema).is_valid(value)
    assert Draft202012Validator(normal).is_valid(value) == accepted


def test_d32_what_refers_to_itself_or_is_too_large_is_refused() -> None:
    looped: dict[str, Any] = {"$ref": "#/$defs/A", "$defs": {"A": {"items": {"$ref": "#/$defs/A"}}}}
    deep: dict[str, Any] = {}
    for _ in range(DEPTH_MAX + 1):
        deep = {"not": deep}
    wide: dict[str, Any] = {"properties": {str(number): {} for number in range(NODES_MAX)}}
    doubled: dict[str, Any] = {
        f"D{n}": {"anyOf": [{"$ref": f"#/$defs/D{n + 1}"}] * 2} for n in range(30)
    }
    blown: dict[str, Any] = {"$ref": "#/$defs/D0", "$defs": {**doubled, "D30": TEXT}}
    for schema in (looped, deep, wide, blown):
        with pytest.raises(TooComplex):
            normal_form(schema)


def test_parameters_are_listed_with_what_stands_below_them() -> None:
    schema = normal_form(
        {
            "properties": {
                "filter": {"type": "object", "properties": {"name": TEXT}, "required": ["name"]},
                "tags": {"type": "array", "items": TEXT},
            },
            "required": ["filter"],
        }
    )
    listed = [(each.path, dict(each.schema), each.is_required) for each in parameters_of(schema)]
    assert listed == [
        ("filter", {"type": "object"}, True),
        ("filter.name", TEXT, True),
        ("tags", {"type": "array"}, False),
        ("tags[]", TEXT, False),
    ]
