"""From a saved file to `chat.dirty` in the hands of an SSE client, debounce included."""

import asyncio
import time
from collections.abc import AsyncIterator

from bench.product import Running, up, workspace
from bench.report import Report, median, spread
from driftpin.client import Client
from driftpin.wire.api import CreateChatRequest, EventShape

EDITS = 20
WAIT_S = 10


async def run(report: Report) -> None:
    report.section("File saved → `chat.dirty` at an SSE client (200 resources, SQLite)")
    with workspace(200, 8 * 1024) as root, up(root, root.parent / "state") as running:
        taken = await _measure(running)
    report.tell("each edit", spread(taken))
    report.at_most("median", median(taken), 600, " ms")


async def _measure(running: Running) -> list[float]:
    async with Client(running.url, running.token) as client:
        chat = await client.create_chat(CreateChatRequest(workspace_id=running.workspace_id))
        async with client.watch_events(chat_id=chat.id) as events:
            # The first edit warms everything up that an edit goes through.
            await _edit_until_dirty(running, events, 0)
            return [await _edit_until_dirty(running, events, number) for number in range(1, EDITS)]


async def _edit_until_dirty(
    running: Running, events: AsyncIterator[tuple[EventShape, str | None]], number: int
) -> float:
    path = running.directory / "AGENTS.md"
    text = path.read_text(encoding="utf-8")
    begun = time.perf_counter()
    path.write_text(f"{text}Edit {number}.\n", encoding="utf-8")
    async with asyncio.timeout(WAIT_S):
        async for event, _ in events:
            if event.kind == "chat.dirty":
                break
    return (time.perf_counter() - begun) * 1000
