"""Readers of events, as a page of chats is one: a list, kept up by the stream behind it.

The stream is the product's; what it gives reaches the reader in order, some time later, until the
connection breaks. Then the reader comes back with its last cursor.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from sse_starlette.event import ServerSentEvent

from driftpin.errors import Gone, NotFound, Unreachable
from driftpin.events.event import EventKind, Position
from driftpin.identity import Actor, ChatId
from driftpin.server.event_stream import EventStream
from driftpin.store.values import ContextSummary
from world.kernel import Kernel
from world.look import Look, Observer
from world.network import Road
from world.server import WorldServer

LONGEST_DELAY_S: Final = 30.0
STATES: Final = frozenset({EventKind.CHAT_DIRTY, EventKind.CHAT_CLEAN})


@dataclass(frozen=True, slots=True)
class Row:
    """A chat as a reader knows it."""

    revision: int
    snapshot: str | None
    head: str | None


@dataclass(slots=True)
class Reader:
    """One reader; `sees_all` if every event of the world concerns it."""

    name: str
    actor: Actor
    server: WorldServer
    observer: Observer
    seen: Counter[str]
    sees_all: bool
    rows: dict[str, Row] = field(default_factory=dict)
    road: Road = field(init=False)
    _cursor: str | None = None
    _last: Position | None = None
    _stream: EventStream | None = None
    _pump: asyncio.Task[None] | None = None
    _connection: int = 0
    _in_pipe: int = 0
    _pipe_ends_s: float = 0.0
    _is_listed: bool = False

    def __post_init__(self) -> None:
        self.road = Road(self.kernel, self.seen)

    @property
    def kernel(self) -> Kernel:
        return self.server.kernel

    def disconnect(self, longest_s: float = 5.0) -> None:
        """Lose the connection with everything that is on its way, and come back later."""
        self._connection += 1
        self._in_pipe, self._stream = 0, None
        if not self._is_listed or self._cursor is None:
            # Only a list and a cursor together are something to go on from.
            self._is_listed, self._cursor, self._last = False, None, None
        if self._pump is not None:
            self.kernel.cancel(self._pump)
            self._pump = None
        delay_s = self.kernel.random.uniform(0.1, longest_s)
        self.kernel.after(delay_s, f"{self.name} connects", self.connect)

    async def connect(self) -> None:
        """Open a stream behind the last cursor; without one, list afterwards."""
        if self._stream is not None:
            return
        stream = EventStream(self.server.services, self._recheck, self.actor)
        try:
            await self.server.serve(lambda: stream.begin(self._cursor))
        except Unreachable:
            self.disconnect()
            return
        except Gone:
            self.seen["readers sent back to the list (410)"] += 1
            self._cursor = None
            self.disconnect()
            return
        self._stream = stream
        self._pipe_ends_s = self.kernel.now_s
        self.seen["streams resumed" if self._cursor else "streams begun"] += 1
        if self._cursor is None:
            number = self._connection
            delay_s = self.kernel.random.uniform(0, 3)
            self.kernel.after(delay_s, f"{self.name} lists", lambda: self._list(number))
        self._pump = self.kernel.spawn(self._carry(stream, self._connection))

    async def _recheck(self) -> Actor:
        return self.actor

    async def _list(self, number: int) -> None:
        if number != self._connection:
            return
        try:
            page = await self.server.serve(
                lambda: self.server.store.list_chats(self.actor, is_archived=None, limit=100)
            )
        except Unreachable:
            self.disconnect()
            return
        self.rows = {view.chat.id: _row_of(view.context) for view in page.items}
        self._is_listed = True

    async def _carry(self, stream: EventStream, number: int) -> None:
        async for event in stream.events():
            if self._connection != number:
                return
            self._send(event, number)
        self._send(None, number)

    def _send(self, event: ServerSentEvent | None, number: int) -> None:
        delays_s = self.road.delays_s()

        async def arrive() -> None:
            if self._connection != number:
                return
            self._in_pipe -= 1
            if event is None or not delays_s:
                self.disconnect()
            else:
                await self._take(event)

        delay_s = min(delays_s[0], LONGEST_DELAY_S) if delays_s else 0.0
        self._pipe_ends_s = max(self._pipe_ends_s, self.kernel.now_s + delay_s)
        self._in_pipe += 1
        self.kernel.at(self._pipe_ends_s, f"to {self.name}", arrive)

    async def _take(self, event: ServerSentEvent) -> None:
        if event.event is not None:
            shape = json.loads(str(event.data))
            self.kernel.note(self.name, shape["kind"], shape["chat_id"])
            await self._apply(shape)
        if event.id is not None:
            position = self.server.services.cursors.read_event(event.id)
            if event.event is not None:
                self._check_place(position)
            self._cursor, self._last = event.id, position

    def _check_place(self, position: Position) -> None:
        """No gap, no repetition, nothing lower that came later."""
        assert self._last is not None, "a stream begins with a cursor"
        self.seen["stored events read"] += 1
        if position <= self._last:
            self.kernel.breaks(f"{self.name} got event {position} again or late")
        between = [
            event
            for event in self.observer.events
            if self._last.number < event.number < position.number
        ]
        if self.sees_all and between:
            self.kernel.breaks(f"{self.name} never got {between}")

    async def _apply(self, shape: dict[str, Any]) -> None:
        chat_id, kind = shape["chat_id"], shape["kind"]
        if chat_id is None:
            return
        if kind in STATES and chat_id in self.rows:
            payload = shape["payload"]
            known = self.rows[chat_id]
            if payload["revision"] >= known.revision:
                self.rows[chat_id] = Row(payload["revision"], payload["snapshot"], payload["head"])
        elif kind != EventKind.CHAT_PINNED:
            await self._read_again(ChatId(chat_id))

    async def _read_again(self, chat_id: ChatId) -> None:
        try:
            view = await self.server.store.get_chat(self.actor, chat_id)
        except NotFound:
            self.rows.pop(chat_id, None)
        else:
            self.rows[chat_id] = _row_of(view.context)

    @property
    def is_caught_up(self) -> bool:
        """Whether it is connected, has its list, and nothing is on its way."""
        if self._stream is None or not self._is_listed or self._in_pipe:
            return False
        newest = self.observer.events[-1].number if self.observer.events else 0
        return self._stream._position.number >= newest

    def check_rows(self, look: Look) -> None:
        """What it was told must come to what a list would give now."""
        expected = {
            chat_id: Row(pin.revision, pin.digest, _head_of(look, pin.agent_id))
            for chat_id, pin in look.pins.items()
            if self.sees_all
            or any(share[:2] == (chat_id, self.actor.user_id) for share in look.shares)
        }
        archived = {chat_id for chat_id, pin in look.pins.items() if pin.is_archived}
        if _without_heads(expected, archived) != _without_heads(self.rows, archived):
            self.kernel.breaks(f"{self.name} was told {self.rows}, a list says {expected}")
        self.seen["lists compared with what was told"] += 1


def _without_heads(rows: dict[str, Row], archived: set[str]) -> dict[str, Row]:
    """An archived chat is told nothing, so its head is left out."""
    return {
        chat_id: Row(row.revision, row.snapshot, None) if chat_id in archived else row
        for chat_id, row in rows.items()
    }


def _head_of(look: Look, agent_id: str | None) -> str | None:
    head = look.heads.get(agent_id) if agent_id else None
    return None if head is None else head.digest


def _row_of(context: ContextSummary) -> Row:
    return Row(
        context.revision,
        None if context.snapshot is None else context.snapshot.digest,
        None if context.head is None else context.head.digest,
    )


__all__ = ["Reader", "Row"]
