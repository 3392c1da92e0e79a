"""D33 and D34: arguments are checked against a pinned schema, in bounded time, fetching nothing."""

from typing import Any

import pytest

from driftpin.context.schema_rules import check_arguments, compile_safely

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "pattern": "^[a-z/]+$"},
        "limits": {"type": "array", "items": {"$ref": "#/$defs/Limit"}},
        "a/b~c": {"type": "integer"},
    },
    "required": ["path"],
    "additionalProperties": False,
    "$defs": {"Limit": {"type": "integer", "minimum": 1}},
}


@pytest.mark.parametrize(
    ("arguments", "pointer"),
    [
        ({"path": "a/b"}, None),
        ({"path": "a", "limits": [1, 2]}, None),
        ({}, ""),
        ([], ""),
        ({"path": 5}, "/path"),
        ({"path": "A"}, "/path"),
        ({"path": "a", "limits": [1, 0]}, "/limits/1"),
        ({"path": "a", "a/b~c": "x"}, "/a~1b~0c"),
        ({"path": "a", "more": 1}, ""),
    ],
)
def test_d34_the_first_bad_argument_is_named(arguments: Any, pointer: str | None) -> None:
    assert check_arguments(SCHEMA, arguments) == pointer


@pytest.mark.parametrize(
    "pattern",
    [
        "^(a+)+$",
        "^(a|a)*$",
        "(a*)*b",
        "a*b*c*d*e",
        r"(a)\1",
        "(?=a)",
        "(?<n>a)",
        r"\p{L}",
        "[",
        "a" * 2_000,
    ],
)
def test_d33_patterns_that_could_cost_much_or_are_of_another_dialect_are_left_to_the_server(
    pattern: str,
) -> None:
    assert compile_safely(pattern) is None
    assert check_arguments({"properties": {"a": {"pattern": pattern}}}, {"a": "a" * 50}) is None


@pytest.mark.parametrize(
    "pattern", [r"^\d{4}-\d{2}-\d{2}$", "^[^/]+/[^/]+$", "^(yes|no)$", r"\(\)*", "[)*]+", "a?b?"]
)
def test_ordinary_patterns_are_checked(pattern: str) -> None:
    assert compile_safely(pattern) is not None


def test_names_are_matched_by_patterns_too() -> None:
    schema: dict[str, Any] = {"patternProperties": {"^n_": {"type": "integer"}}}
    assert check_arguments(schema, {"n_a": 1, "other": "x"}) is None
    assert check_arguments(schema, {"n_a": "x"}) == "/n_a"


def test_d31_a_reference_out_of_the_schema_is_never_followed() -> None:
    with pytest.raises(Exception, match="Unresolvable"):
        check_arguments({"$ref": "http://127.0.0.1:9/x"}, {})
