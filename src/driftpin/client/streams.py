"""Streams of the server, held across lost connections.

A stream goes on behind the last cursor it got, as often as it takes. Only what waiting cannot heal
ends it: a refusal of the caller, or Gone (`resync_required`), after which everything is to be read
again.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from driftpin.client.transport import Query, Transport
from driftpin.errors import RateLimited, Unavailable, Unreachable

RETRY_FIRST_S: Final = 0.25
RETRY_LONGEST_S: Final = 10.0
SLOW_CONSUMER: Final = "slow_consumer"
CLOSING: Final = "closing"


@dataclass(frozen=True, slots=True)
class Streamed:
    """One event of a stream: its kind, its JSON text, and the cursor behind it if it has one."""

    kind: str
    text: str
    cursor: str | None


@dataclass(slots=True)
class EventParser:
    """Takes bytes of an event stream as they come, and gives whole events."""

    cursor: str | None = None
    _rest: bytes = b""
    _kind: str = "message"
    _lines: list[str] = field(default_factory=list)

    def feed(self, content: bytes) -> list[Streamed]:
        """Return the events that `content` completes."""
        *lines, self._rest = (self._rest + content).split(b"\n")
        found = [self._take(line.rstrip(b"\r").decode("utf-8", "replace")) for line in lines]
        return [event for event in found if event is not None]

    def _take(self, line: str) -> Streamed | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._kind = value
            case "data":
                self._lines.append(value)
            case "id":
                self.cursor = value
            case _:
                pass
        return None

    def _dispatch(self) -> Streamed | None:
        kind, lines = self._kind, self._lines
        self._kind, self._lines = "message", []
        return Streamed(kind, "\n".join(lines), self.cursor) if lines else None


@asynccontextmanager
async def watch(
    transport: Transport, path: str, *, query: Query | None = None, cursor: str | None = None
) -> AsyncIterator[AsyncIterator[Streamed]]:
    """Give a stream that was connected when this is entered, and that stays so.

    Raises what the server refuses it with, on entering or later, and Unreachable on entering only.
    """
    connection = _Connection(transport, path, query, EventParser(cursor))
    await connection.open()
    try:
        yield connection.events()
    finally:
        await connection.close()


class _Connection:
    """The present connection of a stream."""

    def __init__(
        self, transport: Transport, path: str, query: Query | None, parser: EventParser
    ) -> None:
        self._transport = transport
        self._path = path
        self._query = query
        self._parser = parser
        self._stack = AsyncExitStack()
        self._chunks: AsyncIterator[bytes] = _nothing()
        self._first: list[Streamed] = []

    async def open(self) -> None:
        """Connect, and return when the server has begun to stream."""
        cursor = self._parser.cursor
        headers = {} if cursor is None else {"Last-Event-ID": cursor}
        self._chunks = await self._stack.enter_async_context(
            self._transport.stream(self._path, query=self._query, headers=headers)
        )
        self._first = self._parser.feed(await anext(self._chunks, b""))

    async def close(self) -> None:
        """Disconnect."""
        await self._stack.aclose()

    async def events(self) -> AsyncIterator[Streamed]:
        """Give events for ever."""
        while True:
            wait_s = 0.0
            try:
                async for event in self._connected():
                    if event.kind in (SLOW_CONSUMER, CLOSING):
                        wait_s = RETRY_FIRST_S if event.kind == CLOSING else 0.0
                        break
                    yield event
            except Unreachable:
                wait_s = RETRY_FIRST_S
            await self._reopen(wait_s)

    async def _connected(self) -> AsyncIterator[Streamed]:
        first, self._first = self._first, []
        for event in first:
            yield event
        async for chunk in self._chunks:
            for event in self._parser.feed(chunk):
                yield event

    async def _reopen(self, wait_s: float) -> None:
        """Connect again, waiting longer each time that it fails."""
        while True:
            await self._stack.aclose()
            self._parser = EventParser(self._parser.cursor)
            await asyncio.sleep(random.uniform(wait_s / 2, wait_s))  # noqa: S311 jitter
            try:
                await self.open()
            except (Unreachable, Unavailable, RateLimited):
                wait_s = min(RETRY_LONGEST_S, max(RETRY_FIRST_S, 2 * wait_s))
            else:
                return


async def _nothing() -> AsyncIterator[bytes]:
    """Give no bytes."""
    return
    yield b""


__all__ = ["EventParser", "Streamed", "watch"]
