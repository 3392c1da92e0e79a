"""D24 to D32: which tools of a server can be pinned, and why the others cannot."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftpin import limits
from driftpin.context.manifest import Json
from driftpin.context.tool_catalogue import DroppedTool, read_catalogue
from driftpin.identity import digest_of

SCHEMA: dict[str, Json] = {"type": "object"}


def tool(name: str = "read", **fields: Any) -> dict[str, Json]:
    return {"name": name, "inputSchema": SCHEMA, **fields}


def dropped(*tools: Mapping[str, Json]) -> list[tuple[str, str]]:
    return [(each.name, each.reason) for each in read_catalogue(None, tools).dropped]


def names(*tools: Mapping[str, Json]) -> list[str]:
    return [entry.name for entry in read_catalogue(None, tools).catalogue.tools]


def deep(levels: int) -> dict[str, Json]:
    schema: dict[str, Json] = {}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"description": "x" * 8_193}, "description_too_long", id="d28"),
        pytest.param({"inputSchema": []}, "bad_schema", id="d30-list"),
        pytest.param({"inputSchema": {"type": "array"}}, "bad_schema", id="d30-array"),
        pytest.param({"inputSchema": {"type": 5}}, "bad_schema", id="d30-invalid"),
        pytest.param({"outputSchema": {"required": 1}}, "bad_schema", id="d30-output"),
        pytest.param(
            {"inputSchema": {"properties": {"a": {"$ref": "https://host/x"}}}},
            "bad_schema/remote_ref",
            id="d31",
        ),
        pytest.param(
            {"inputSchema": {"$dynamicRef": "other.json"}},
            "bad_schema/remote_ref",
            id="d31-dynamic",
        ),
        pytest.param({"inputSchema": deep(1_000)}, "bad_schema/too_complex", id="d32-deep"),
        pytest.param(
            {"inputSchema": {"properties": {str(n): {} for n in range(100_000)}}},
            "bad_schema/too_complex",
            id="d32-wide",
        ),
        pytest.param({"description": 5}, "bad_description", id="description-number"),
        pytest.param({"title": "\ud800"}, "bad_definition", id="surrogate"),
        pytest.param({"annotations": {"x": 2**60}}, "bad_definition", id="large-number"),
    ],
)
def test_d_a_tool_that_breaks_a_rule_is_dropped_by_itself(
    fields: dict[str, Any], reason: str
) -> None:
    assert dropped(tool(**fields), tool("other")) == [("read", reason)]
    assert names(tool(**fields), tool("other")) == ["other"]


@pytest.mark.parametrize("name", ["", "two words", "x" * 129, "new\nline", "ä", "a\u200bb"])
def test_d25_bad_names(name: str) -> None:
    assert dropped(tool(name)) == [(name, "bad_tool_name")]


def test_d26_of_a_name_that_is_there_twice_none_is_kept() -> None:
    assert dropped(tool(), tool(title="Other"), tool("else")) == [("read", "duplicate_tool")]


def test_d24_a_catalogue_is_cut_at_its_caps_by_name() -> None:
    many = [tool(f"t{number:05}") for number in range(10_000)]
    kept = names(*reversed(many))
    assert kept == [f"t{number:05}" for number in range(limits.TOOLS_PER_SERVER_MAX)]
    large = [tool(f"t{n:03}", description="x" * 8_000) for n in range(200)]
    read = read_catalogue(None, large)
    assert sum(map(len, read.blobs.values())) <= limits.TOOL_BYTES_PER_SERVER_MAX
    assert {each.reason for each in read.dropped} == {"catalogue_too_large"}


def test_exactly_at_the_limit_of_a_description_is_kept() -> None:
    assert names(tool(description="x" * limits.TOOL_DESCRIPTION_BYTES_MAX)) == ["read"]


def test_a_definition_holds_what_a_model_sees_and_nothing_else() -> None:
    read = read_catalogue(None, [tool(title=None, icons=[{"src": "x"}], _meta={"a": 1})])
    assert list(read.blobs.values()) == [b'{"inputSchema":{"type":"object"},"name":"read"}']
    assert read.catalogue.tools[0].digest == digest_of(next(iter(read.blobs.values())))


def test_recursion_inside_a_schema_is_fine() -> None:
    looped = {"$ref": "#/$defs/A", "$defs": {"A": {"items": {"$ref": "#/$defs/A"}}}}
    assert names(tool(inputSchema=looped)) == ["read"]


@given(st.permutations([tool("a"), tool("b", description="x"), tool("b"), tool("c d")]))
def test_any_order_of_answers_gives_the_same_catalogue(tools: list[dict[str, Json]]) -> None:
    assert read_catalogue("Hi", tools) == read_catalogue("Hi", sorted(tools, key=str))


@pytest.mark.parametrize("text", [None, "", "x" * (64 * 1024 + 1), "\ud800", "a\0b"])
def test_instructions_that_are_no_text_or_too_long_are_left_out(text: str | None) -> None:
    assert read_catalogue(text, []).catalogue.instructions is None


def test_instructions_are_a_blob() -> None:
    read = read_catalogue("Use with care.", [])
    assert read.catalogue.instructions == digest_of(b"Use with care.")
    assert list(read.blobs.values()) == [b"Use with care."]


def test_a_dropped_tool_is_told_once() -> None:
    assert read_catalogue(None, [tool("a b"), tool("a b")]).dropped == (
        DroppedTool("a b", "duplicate_tool"),
    )
