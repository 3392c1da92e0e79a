"""One call of a pinned tool, by the agent alone: checked, bounded, and told how it ended."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from driftpin import limits
from driftpin.agent.mcp_calls import AskedCall, call_pinned_tool, read_asked_call
from driftpin.agent.mcp_engine import McpEngine
from driftpin.context.tool_catalogue import find_definition
from driftpin.context.tool_check import ChangePolicy, PinnedIdentity, meaning_of
from driftpin.errors import DriftpinError, Malformed
from driftpin.identity import digest_of
from mcp_agent.conftest import Bench, state_of, tool, unheard
from mcp_agent.test_engine import is_gone


def asked(bench: Bench, pinned: dict[str, Any], **fields: Any) -> AskedCall:
    """Return a call of a tool as it was pinned."""
    definition = find_definition(pinned["name"], [pinned])
    assert definition is not None
    identity = PinnedIdentity(
        bench.server().launch.identity, digest_of(definition), meaning_of(definition)
    )
    given = {"policy": ChangePolicy.REFUSE, "timeout_s": 5.0, "arguments": {}, **fields}
    return AskedCall("mcp:fake", pinned["name"], identity, **given)


async def outcome(engine: McpEngine, call: AskedCall) -> str:
    """Return the verdict of a call that was made, or the code of its refusal."""
    try:
        return str((await call_pinned_tool(engine, call))["verdict"])
    except DriftpinError as refusal:
        return refusal.code


async def ready(bench: Bench, engine: McpEngine) -> None:
    await bench.until(lambda: state_of(engine).state == "ready")


CHANGED = tool("read", description="Another.")
NOTED = tool("read", inputSchema={"type": "object", "properties": {}, "$comment": "a"})


@pytest.mark.parametrize(
    ("live", "policy", "expected"),
    [
        pytest.param(tool("read"), ChangePolicy.REFUSE, "same", id="same"),
        pytest.param(NOTED, ChangePolicy.REFUSE, "tool_notation", id="notation"),
        pytest.param(CHANGED, ChangePolicy.REFUSE, "tool_changed", id="refused"),
        pytest.param(CHANGED, ChangePolicy.WARN, "tool_changed", id="warned"),
        pytest.param(CHANGED, ChangePolicy.ALLOW, "tool_changed", id="allowed"),
        pytest.param(tool("other"), ChangePolicy.ALLOW, "tool_gone", id="gone"),
    ],
)
async def test_x40_a_tool_is_compared_with_its_pin_at_the_moment_it_is_called(
    bench: Bench, live: dict[str, Any], policy: ChangePolicy, expected: str
) -> None:
    log = bench.directory / "log"
    bench.write(tools=[tool("read")], log=str(log))
    async with bench.running(bench.server()) as engine:
        await ready(bench, engine)
        bench.write(tools=[live], log=str(log))
        assert await outcome(engine, asked(bench, tool("read"), policy=policy)) == expected
        # What the comparison found is drift, although the server said nothing of it.
        await bench.until(
            lambda: (
                any(known.blobs for known in engine.catalogues().values())
                and find_definition(live["name"], [live])
                in next(iter(engine.catalogues().values())).blobs.values()
            )
        )
    is_called = expected in ("same", "tool_notation") or (
        expected == "tool_changed" and policy is not ChangePolicy.REFUSE
    )
    assert log.exists() is is_called


async def test_x40_a_list_that_changes_in_the_middle_of_a_call_is_found_at_the_next(
    bench: Bench,
) -> None:
    bench.write(tools=[tool("read")])
    async with bench.running(bench.server()) as engine:
        await ready(bench, engine)
        bench.write(tools=[CHANGED], changed_after="tools/call")
        allowed = asked(bench, tool("read"), policy=ChangePolicy.ALLOW)
        assert await outcome(engine, allowed) == "tool_changed"
        assert await outcome(engine, asked(bench, tool("read"))) == "tool_changed"


async def test_another_server_under_the_same_name_is_not_the_pinned_one(bench: Bench) -> None:
    bench.write(tools=[tool("read")])
    other = bench.server(cwd=".")
    async with bench.running(other) as engine:
        await ready(bench, engine)
        assert await outcome(engine, asked(bench, tool("read"))) == "server_changed"
        allowed = asked(bench, tool("read"), policy=ChangePolicy.ALLOW)
        assert await outcome(engine, allowed) == "server_changed"
        engine.approve({})
        await bench.until(lambda: state_of(engine).state == "unapproved")
        assert await outcome(engine, allowed) == "mcp_server_not_ready"


async def test_x37_a_server_that_hangs_in_a_call_is_ended_and_holds_back_no_other(
    bench: Bench,
) -> None:
    pid = bench.directory / "pid"
    bench.write(tools=[tool("read")], stuck_on="tools/call", spawn=str(pid))
    quick = Bench(bench.directory / "quick", bench.environment, bench.changed)
    quick.directory.mkdir()
    quick.write(tools=[tool("read")])
    other = quick.server("other")
    async with bench.running(bench.server(), other) as engine:
        await ready(bench, engine)
        await bench.until(lambda: state_of(engine, "mcp:other").state == "ready")
        child = int(pid.read_text(encoding="utf-8"))
        hanging = asyncio.create_task(outcome(engine, asked(bench, tool("read"), timeout_s=0.3)))
        answer = await engine.keeper_of("mcp:other").call("read", {}, on_progress=unheard)
        assert not answer.is_error
        assert await hanging == "mcp_timeout"
        await bench.until(lambda: state_of(engine).state == "failed")
        assert state_of(engine, "mcp:other").state == "ready"
        assert is_gone(child)


async def test_a_server_that_only_takes_too_long_over_one_call_is_kept(bench: Bench) -> None:
    bench.write(tools=[tool("read")], hang="tools/call")
    async with bench.running(bench.server()) as engine:
        await ready(bench, engine)
        slow = asked(bench, tool("read"), timeout_s=0.2)
        assert await outcome(engine, slow) == "mcp_timeout"
        bench.write(tools=[tool("read")])
        assert await outcome(engine, asked(bench, tool("read"))) == "same"
        assert state_of(engine).state == "ready"


async def test_progress_gives_a_call_more_time_up_to_an_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write(tools=[tool("read")], progress=6, pause_s=0.1)
    async with bench.running(bench.server()) as engine:
        await ready(bench, engine)
        call = asked(bench, tool("read"), timeout_s=0.4)
        assert await outcome(engine, call) == "same"
        monkeypatch.setattr(limits, "MCP_CALL_LONGEST_S", 0.3)
        assert await outcome(engine, call) == "mcp_timeout"


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        pytest.param({"exit_on": "tools/call"}, "mcp_server_crashed", id="d42-x38"),
        pytest.param({"answer_id": 12_345}, "bad_mcp_reply", id="d41-id"),
        pytest.param({"answer": {"content": 1}}, "bad_mcp_reply", id="d41-shape"),
        pytest.param({"answer": []}, "bad_mcp_reply", id="d41-no-object"),
        pytest.param({"refuse": [-32000, "no"]}, "mcp_error", id="refused"),
        pytest.param(
            {"flood_call": limits.MCP_LINE_BYTES_MAX + 1}, "result_too_large", id="d39-x39"
        ),
    ],
)
async def test_d_a_call_without_a_good_answer_says_why(
    bench: Bench, plan: dict[str, Any], expected: str
) -> None:
    bench.write(tools=[tool("read")])
    async with bench.running(bench.server()) as engine:
        await ready(bench, engine)
        bench.write(tools=[tool("read")], **plan)
        assert await outcome(engine, asked(bench, tool("read"))) == expected


async def answered(bench: Bench, *blocks: dict[str, Any], **result: Any) -> dict[str, Any]:
    """Return what an agent makes of a tool's result."""
    results = {"read": {"content": list(blocks), **result}}
    bench.write(tools=[tool("read")], results=results)
    async with bench.running(bench.server()) as engine:
        await ready(bench, engine)
        return await call_pinned_tool(engine, asked(bench, tool("read")))


async def test_d40_an_error_of_the_tool_is_told_as_its_answer(bench: Bench) -> None:
    answer = await answered(bench, {"type": "text", "text": "no such row"}, isError=True)
    assert (answer["text"], answer["is_error"]) == ("no such row", True)


async def test_d39_a_long_answer_is_cut_and_says_so(bench: Bench) -> None:
    over = limits.TOOL_RESULT_BYTES_MAX + 1
    answer = await answered(bench, {"type": "text", "text": "é" * (over // 2 + 1)})
    assert answer["is_cut"] is True
    assert answer["text"].endswith(f"of {over + 1} bytes are shown]")


async def test_images_and_embedded_resources_are_kept_as_such(bench: Bench) -> None:
    over = limits.MCP_ATTACHMENTS_BYTES_MAX + 4
    image = {"type": "image", "mimeType": "image/png", "data": "aGk="}
    answer = await answered(
        bench,
        image,
        {"type": "image", "mimeType": "image/x-odd", "data": "aGk="},
        {"type": "resource", "resource": {"uri": "file:///a", "text": "words"}},
        {
            "type": "resource",
            "resource": {"uri": "file:///b", "blob": "aGk=", "mimeType": "application/pdf"},
        },
        {"type": "resource_link", "uri": "file:///c", "name": "c"},
        {**image, "data": "A" * over},
    )
    assert answer["attachments"] == [
        {"media_type": "image/png", "content": "aGk="},
        {"media_type": "application/pdf", "content": "aGk="},
    ]
    assert answer["text"].split("\n") == [
        "[image: image/png, 3 bytes, attached]",
        "[image: image/x-odd, 3 bytes, not shown]",
        "[resource: file:///a]",
        "words",
        "[resource file:///b: application/pdf, 3 bytes, attached]",
        "[link: c, file:///c]",
        f"[image: image/png, {over * 3 // 4} bytes, left out: too large]",
    ]


async def test_structured_content_without_words_is_heard(bench: Bench) -> None:
    answer = await answered(bench, structuredContent={"b": 1, "a": "é"})
    assert answer["text"] == '{"a": "é", "b": 1}'


async def test_d46_a_server_that_asks_for_something_itself_is_refused(bench: Bench) -> None:
    said = bench.directory / "said"
    asks = ["sampling/createMessage", "roots/list", "elicitation/create"]
    bench.write(tools=[tool("read")], asks=asks, said=str(said))
    async with bench.running(bench.server()) as engine:
        await ready(bench, engine)
        assert await outcome(engine, asked(bench, tool("read"))) == "same"
    replies = [json.loads(line) for line in said.read_text(encoding="utf-8").splitlines()]
    assert sorted(reply["id"] for reply in replies) == sorted(asks)
    assert all("error" in reply and "result" not in reply for reply in replies)


@pytest.mark.parametrize("time_ms", [-1, 10**15])
async def test_d45_what_a_server_says_of_caching_is_not_believed(
    bench: Bench, time_ms: int
) -> None:
    bench.write(tools=[tool("read")], list_fields={"ttlMs": time_ms, "cacheScope": "public"})
    async with bench.running(bench.server()) as engine:
        await ready(bench, engine)
        bench.write(tools=[CHANGED], list_fields={"ttlMs": time_ms, "cacheScope": "public"})
        assert await outcome(engine, asked(bench, tool("read"))) == "tool_changed"


def test_what_is_no_call_is_refused(bench: Bench, tmp_path: Path) -> None:
    good = {
        "source": "mcp:a",
        "tool": "b",
        "server_digest": "sha256:1",
        "tool_digest": "sha256:2",
        "meaning_digest": "sha256:3",
        "policy": "refuse",
        "timeout_s": 1e9,
        "arguments": "{}",
    }
    assert read_asked_call(good).timeout_s == limits.MCP_CALL_LONGEST_S
    for wrong in (
        {"arguments": "[]"},
        {"arguments": "{"},
        {"policy": "trust"},
        {"timeout_s": 0},
        {"timeout_s": "soon"},
    ):
        with pytest.raises(Malformed):
            read_asked_call({**good, **wrong})
    with pytest.raises(Malformed):
        read_asked_call({})
