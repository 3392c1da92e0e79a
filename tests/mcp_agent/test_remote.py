"""Servers over the network: real ones of the official SDK, on the loopback interface."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from driftpin import limits
from driftpin.agent.mcp_calls import AskedCall, call_pinned_tool
from driftpin.agent.mcp_configs import FoundServer
from driftpin.agent.mcp_engine import McpEngine
from driftpin.context.tool_check import ChangePolicy, PinnedIdentity, meaning_of
from driftpin.errors import DriftpinError
from mcp_agent.conftest import Bench, approvals_of, state_of
from mcp_agent.remote import Remote, open_remote


@pytest.fixture(params=["http", "json", "sse"])
async def remote(request: pytest.FixtureRequest) -> AsyncIterator[Remote]:
    async with open_remote(request.param) as opened:
        yield opened


async def call(
    engine: McpEngine, found: FoundServer, name: str, **arguments: Any
) -> dict[str, Any]:
    """Call a tool as it is known now."""
    known = engine.catalogues()["mcp:fake", found.launch.identity]
    digest = {each.name: each.digest for each in known.catalogue.tools}[name]
    pinned = PinnedIdentity(found.launch.identity, digest, meaning_of(known.blobs[digest]))
    asked = AskedCall("mcp:fake", name, pinned, ChangePolicy.REFUSE, 10.0, arguments)
    return await call_pinned_tool(engine, asked)


async def test_tools_of_a_remote_server_are_listed_and_called(bench: Bench, remote: Remote) -> None:
    found = remote.found()
    async with bench.running(found) as engine:
        engine.approve(approvals_of(found, allows_private=True))
        await bench.until(lambda: state_of(engine).state == "ready")
        added = await call(engine, found, "add", a=2, b=3)
        assert (added["verdict"], added["text"], added["is_error"]) == ("same", "5", False)
        shown = await call(engine, found, "picture")
        assert [each["media_type"] for each in shown["attachments"]] == ["image/png"]
        both = await asyncio.gather(*(call(engine, found, "add", a=n, b=n) for n in range(4)))
        assert [each["text"] for each in both] == ["0", "2", "4", "6"]
        refused = await call(engine, found, "add", a="x", b=1)
        assert refused["is_error"] is True


async def test_d42_a_remote_server_that_dies_in_a_call_is_told_and_the_next_one_serves(
    bench: Bench, remote: Remote
) -> None:
    found = remote.found()
    async with bench.running(found) as engine:
        engine.approve(approvals_of(found, allows_private=True))
        await bench.until(lambda: state_of(engine).state == "ready")
        with pytest.raises(DriftpinError) as caught:
            await call(engine, found, "crash")
        assert caught.value.code == "mcp_server_crashed"
        await bench.until(lambda: state_of(engine).state == "failed")


@pytest.mark.parametrize("kind", ["json", "http"])
async def test_d39_an_answer_past_all_limits_is_not_read_to_its_end(
    bench: Bench, kind: str
) -> None:
    async with open_remote(kind) as remote:
        found = remote.found()
        async with bench.running(found) as engine:
            engine.approve(approvals_of(found, allows_private=True))
            await bench.until(lambda: state_of(engine).state == "ready")
            megabytes = limits.MCP_LINE_BYTES_MAX // limits.MIB + 1
            with pytest.raises(DriftpinError) as caught:
                await call(engine, found, "long", megabytes=megabytes)
            assert caught.value.code == "result_too_large"
            assert (await call(engine, found, "add", a=1, b=1))["text"] == "2"
