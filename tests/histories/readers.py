"""Readers of events over HTTP, who are cut off, come back, and keep a list up to date by them."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from driftpin.client.streams import EventParser, Streamed
from driftpin.client.transport import Transport
from driftpin.errors import Gone, NotFound, RateLimited, Unavailable, Unreachable
from driftpin.events.event import Position
from driftpin.server.cursors import Cursors
from driftpin.wire import api
from histories.clients import Clerk, Place
from histories.record import Record, Row, Told, What

EVENTS: Final = "/api/v1/events"
CHATS: Final = "/api/v1/chats"
STATES: Final = frozenset({"chat.dirty", "chat.clean"})


class _Left(Exception):
    """The reader hung up."""


@dataclass(slots=True)
class EventReader:
    """Reads the events of one user until it is cancelled.

    One that `is_absent` comes back with the oldest cursor it ever had.
    """

    clerk: Clerk
    place: Place
    token: str
    cursors: Cursors
    draw: random.Random
    rows: dict[str, Row] = field(default_factory=dict)
    position: Position = field(default=Position(0, 0))
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    old_cursor: str | None = None
    is_absent: bool = False
    moved: Callable[[], object] = bool
    _cursor: str | None = None
    _session: int = 0
    _events_left: int = 0
    _patience: asyncio.Timeout | None = None

    @property
    def record(self) -> Record:
        return self.clerk.record

    async def run(self) -> None:
        """Connect, read, be cut off, and connect again, until cancelled."""
        while True:
            transport = Transport(self.place.any_url(), self.token)
            try:
                async with asyncio.timeout(None) as self._patience:
                    await self._listen(transport)
            except (_Left, TimeoutError, Unreachable, Unavailable, RateLimited):
                continue
            except Gone as refusal:
                self._cursor = None
                await self._note_refusal(refusal)
            finally:
                self._patience = None
                await transport.close()

    def come_back_late(self) -> None:
        """Be away for long, and come back with the first cursor that there was."""
        self.is_absent = True
        self.begun.clear()
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def _note_refusal(self, refusal: Gone) -> None:
        async def refuse() -> dict[str, Any]:
            raise refusal

        await self.clerk.note(What.LISTEN, refuse)

    async def _listen(self, transport: Transport) -> None:
        if self.old_cursor is not None and (self.is_absent or self.draw.random() < 0.1):
            self._go_on_behind(self.old_cursor)
        headers = {} if self._cursor is None else {"Last-Event-ID": self._cursor}
        self._events_left = self.draw.randrange(5, 60)
        async with transport.stream(EVENTS, headers=headers) as chunks:
            parser = EventParser(self._cursor)
            async for chunk in chunks:
                for line in chunk.splitlines(keepends=True):
                    await self._feed(transport, parser, line)

    async def _feed(self, transport: Transport, parser: EventParser, line: bytes) -> None:
        for event in parser.feed(line):
            await self._take(transport, event)
        if self._cursor is None and parser.cursor is not None:
            await self._begin(transport, parser.cursor)

    def _go_on_behind(self, cursor: str) -> None:
        self.is_absent, self._cursor = False, cursor
        self._session += 1
        self.position = self.cursors.read_event(cursor)
        self._tell("", self.position, {})

    async def _begin(self, transport: Transport, cursor: str) -> None:
        """Stand at the beginning of a stream, and list what there is."""
        self._session += 1
        self._cursor = cursor
        self.old_cursor = self.old_cursor or cursor
        self.position = self.cursors.read_event(cursor)
        self._tell("", self.position, {})
        page = await transport.call(
            "GET", CHATS, api.PageShape[api.ChatShape], query={"archived": "all", "limit": 200}
        )
        self.rows = {chat.id: _row_of(chat.context) for chat in page.items}
        self.begun.set()
        self.moved()

    async def _take(self, transport: Transport, event: Streamed) -> None:
        if event.kind in ("slow_consumer", "closing"):
            raise _Left
        told = json.loads(event.text)
        is_stored = event.cursor != self._cursor
        if is_stored:
            assert event.cursor is not None, "a stored event has a cursor"
            self.position = self.cursors.read_event(event.cursor)
            self._cursor = event.cursor
        self._tell(event.kind, self.position if is_stored else None, told)
        await self._apply(transport, event.kind, told)
        self.moved()
        self._events_left -= 1
        if self._events_left == 0:
            raise _Left

    def _tell(self, kind: str, position: Position | None, told: dict[str, Any]) -> None:
        payload = told.get("payload", {})
        self.record.told.append(
            Told(
                reader=self.clerk.name,
                user=self.clerk.user,
                at_s=time.monotonic(),
                session=self._session,
                kind=kind,
                position=position,
                chat=told.get("chat_id") or "",
                workspace=told.get("workspace_id") or "",
                revision=payload.get("revision"),
                digest=payload.get("snapshot"),
            )
        )

    async def _apply(self, transport: Transport, kind: str, told: dict[str, Any]) -> None:
        chat, payload = told.get("chat_id"), told["payload"]
        if chat is None:
            return
        if kind in STATES and chat in self.rows:
            if payload["revision"] >= self.rows[chat].revision:
                self.rows[chat] = Row(payload["revision"], payload["snapshot"], payload["head"])
        elif kind != "chat.pinned":
            await self._read_again(transport, chat)

    async def _read_again(self, transport: Transport, chat: str) -> None:
        try:
            view = await transport.call("GET", f"{CHATS}/{chat}", api.ChatShape)
        except NotFound:
            self.rows.pop(chat, None)
        else:
            self.rows[chat] = _row_of(view.context)


def _row_of(context: api.ContextShape) -> Row:
    return Row(context.revision, context.snapshot, context.head)


__all__ = ["EventReader"]
