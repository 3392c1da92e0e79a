"""What programs need of a pinned tool: its title, hints, the look of its results, and results."""

import json
from pathlib import Path
from typing import Any

import pytest

from driftpin import limits
from gateway.visiting import CARRIERS, ERAS, failure_of, open_visit, text_in, visiting
from mcp_agent.conftest import NUMBER, tool

LOOK = {"type": "object", "properties": {"sum": {"type": "number"}}, "required": ["sum"]}
HINTS = {"title": "Add up", "readOnlyHint": True, "idempotentHint": True}
HIDDEN = "\u202e"


def _plan(structured: Any, *, output_schema: Any = LOOK) -> dict[str, Any]:
    result = {"content": [{"type": "text", "text": "five"}], "structuredContent": structured}
    listed = tool(
        "add",
        inputSchema=NUMBER,
        annotations=HINTS,
        outputSchema=output_schema,
        description="Adds.",
    )
    return {"tools": [listed], "results": {"add": result}}


@pytest.mark.parametrize(("carrier", "mode"), list(zip(CARRIERS, ERAS, strict=True)))
async def test_title_hints_schema_and_structured_content_are_passed_through(
    carrier: str, mode: str, sqlite_url: str, tmp_path: Path
) -> None:
    async with (
        open_visit(sqlite_url, tmp_path, **_plan({"sum": 5})) as visit,
        visiting(visit, carrier, mode) as client,
    ):
        listed = {each.name: each for each in (await client.list_tools()).tools}
        called = await client.call_tool("fake__add", {"n": 2})
    found = listed["fake__add"]
    assert (found.title, found.output_schema) == ("Add up", LOOK)
    hints = found.annotations
    assert hints is not None
    assert (hints.read_only_hint, hints.idempotent_hint) == (True, True)
    assert (hints.destructive_hint, hints.open_world_hint) == (None, None)
    assert (text_in(called), called.structured_content) == ("five", {"sum": 5})
    for name, is_reading in (("context_status", True), ("context_refresh", False)):
        own = listed[name].annotations
        assert own is not None
        assert own.read_only_hint is is_reading


async def test_d39_structured_content_past_the_cap_is_left_out_and_said_so(
    sqlite_url: str, tmp_path: Path
) -> None:
    large = {"sum": 5, "more": "x" * limits.TOOL_RESULT_BYTES_MAX}
    async with open_visit(sqlite_url, tmp_path, **_plan(large)) as visit, visit.client() as client:
        called = await client.call_tool("fake__add", {"n": 2})
    assert failure_of(called) == "truncated"
    assert called.structured_content is None
    assert text_in(called).startswith("[structured content: left out")
    assert text_in(called).endswith("five")


async def test_d32_structured_content_too_deep_for_others_is_left_out(
    sqlite_url: str, tmp_path: Path
) -> None:
    deep: dict[str, Any] = {"sum": 5}
    for _ in range(limits.JSON_DEPTH_MAX):
        deep = {"sum": 5, "in": deep}
    async with open_visit(sqlite_url, tmp_path, **_plan(deep)) as visit, visit.client() as client:
        called = await client.call_tool("fake__add", {"n": 2})
    assert failure_of(called) == "truncated"


async def test_d29_a_result_schema_with_hidden_names_is_not_listed_and_its_prose_is_cleaned(
    sqlite_url: str, tmp_path: Path
) -> None:
    said = {**LOOK, "description": f"A{HIDDEN}sum"}
    hidden = {"type": "object", "properties": {f"su{HIDDEN}m": {}}}
    tools = [
        tool("clean", inputSchema=NUMBER, outputSchema=said),
        tool("hides", inputSchema=NUMBER, outputSchema=hidden),
    ]
    async with open_visit(sqlite_url, tmp_path, tools=tools) as visit, visit.client() as client:
        listed = {each.name: each for each in (await client.list_tools()).tools}
    assert listed["fake__clean"].output_schema == {**LOOK, "description": "Asum"}
    assert listed["fake__hides"].output_schema is None


async def test_what_has_no_text_is_heard_in_words_and_as_it_is(
    sqlite_url: str, tmp_path: Path
) -> None:
    plan = _plan({"sum": 5})
    plan["results"]["add"]["content"] = []
    async with open_visit(sqlite_url, tmp_path, **plan) as visit, visit.client() as client:
        called = await client.call_tool("fake__add", {"n": 2})
    assert json.loads(text_in(called)) == called.structured_content == {"sum": 5}


async def test_a_nul_in_a_result_is_no_end_of_the_call(sqlite_url: str, tmp_path: Path) -> None:
    plan: dict[str, Any] = {}
    plan["results"] = {"add": {"content": [{"type": "text", "text": "a\0b"}]}}
    async with open_visit(sqlite_url, tmp_path, **plan) as visit, visit.client() as client:
        called = await client.call_tool("fake__add", {"n": 2})
        again = await client.call_tool("fake__add", {"n": 2})
    assert [text_in(each) for each in (called, again)] == ["a\0b"] * 2
