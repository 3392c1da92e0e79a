"""From a saved file to `chat.dirty` in the hands of an SSE client, debounce included."""

import asyncio
import time

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
        dirty: asyncio.Queue[EventShape] = asyncio.Queue()
        listening = asyncio.create_task(_listen(client, chat.id, dirty))
        try:
            # The first edit also proves that the stream is attached.
            await _edit_until_dirty(running, dirty, 0)
            return [await _edit_until_dirty(running, dirty, number) for number in range(1, EDITS)]
        finally:
            listening.cancel()


async def _listen(client: Client, chat_id: str, dirty: asyncio.Queue[EventShape]) -> None:
    async for event in client.events(chat_id=chat_id):
        if event.event.kind == "chat.dirty":
            await dirty.put(event.event)


async def _edit_until_dirty(
    running: Running, dirty: asyncio.Queue[EventShape], number: int
) -> float:
    path = running.directory / "AGENTS.md"
    text = path.read_text(encoding="utf-8")
    begun = time.perf_counter()
    path.write_text(f"{text}Edit {number}.\n", encoding="utf-8")
    await asyncio.wait_for(dirty.get(), WAIT_S)
    return (time.perf_counter() - begun) * 1000
