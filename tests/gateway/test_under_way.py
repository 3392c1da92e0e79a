"""Calls that take a while: how far one has come is told, and a client may take one back."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.visiting import LEGACY, MODERN, WAIT_S, open_visit, text_in, visiting

WAYS = [("http", LEGACY), ("http", MODERN), ("stdio", LEGACY), ("stdio", MODERN)]
Told = tuple[float, float | None, str | None]


@pytest.mark.parametrize(("carrier", "mode"), WAYS)
async def test_progress_of_a_tool_is_given_on(
    carrier: str, mode: str, sqlite_url: str, tmp_path: Path
) -> None:
    told: list[Told] = []

    async def take(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async with (
        open_visit(sqlite_url, tmp_path, progress=2, pause_s=0.3, says="under way") as visit,
        visiting(visit, carrier, mode) as client,
    ):
        called = await client.call_tool("fake__add", {"n": 2}, progress_callback=take)
        assert '"n": 2' in text_in(called)
    assert told[0] == (0, None, "under way")


@pytest.mark.parametrize(("carrier", "mode"), WAYS)
async def test_a_call_that_is_taken_back_is_ended_where_it_runs(
    carrier: str, mode: str, sqlite_url: str, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    told.touch()
    async with (
        open_visit(sqlite_url, tmp_path, hang="tools/call", told=str(told)) as visit,
        visiting(visit, carrier, mode) as client,
    ):
        calling = asyncio.create_task(client.call_tool("fake__add", {"n": 2}))

        async def is_under_way() -> bool:
            return visit.agent.calls.under_way.count == 1

        async def is_taken_back() -> bool:
            return "notifications/cancelled" in told.read_text(encoding="utf-8")

        await visit.talk.until(is_under_way)
        calling.cancel()
        with suppress(asyncio.CancelledError):
            await calling
        async with asyncio.timeout(WAIT_S):
            await visit.talk.until(is_taken_back)
        assert visit.agent.calls.under_way.count == 0
        # Whoever takes a call back goes on with the others.
        assert not (await client.call_tool("context_status")).is_error
