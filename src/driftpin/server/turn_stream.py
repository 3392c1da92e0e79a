"""The stream of a chat: turns and their text, from stored chunks, so that any replica can resume.

`turn` tells every change of a turn's state, `delta` carries text, `reset` says that another worker
began anew and what was streamed before is void. The cursor names (turn, attempt, offset).
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from sse_starlette.event import ServerSentEvent
from starlette.responses import Response

from driftpin import limits
from driftpin.errors import Gone, Malformed, NotFound, Unauthenticated
from driftpin.identity import Actor, ChatId
from driftpin.server.services import Services
from driftpin.server.sse import sent_event, stream_response
from driftpin.store.values import ChunkRow, TurnRow, TurnState
from driftpin.wire.transfer import DeltaShape, ResetShape, TurnEventShape

CURSOR: Final = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.(-1|[0-9]{1,12})")
NOTHING_YET: Final = -1
OVER: Final = frozenset({TurnState.DONE, TurnState.FAILED})


@dataclass(slots=True)
class TurnStream:
    """One reader's stream of one chat; with `only_turn` it ends when that turn is over."""

    services: Services
    recheck: Callable[[], Awaitable[Actor]]
    actor: Actor
    chat_id: ChatId
    only_turn: int | None = None
    _turn: int = field(default=0)
    _attempt: int = field(default=0)
    _offset: int = field(default=NOTHING_YET)
    _told: dict[int, tuple[str, int]] = field(default_factory=dict)

    async def begin(self, cursor: str | None) -> None:
        """Stand behind `cursor`, else before the turn that was asked for, else before the newest.

        Raises NotFound for a chat, or a turn of it, that the caller may not see or that is not
        there, and Malformed (`bad_cursor`).
        """
        turns = await self.services.store.list_turns(self.actor, self.chat_id)
        numbers = [turn.number for turn in turns]
        if self.only_turn is not None and self.only_turn not in numbers:
            raise NotFound
        if cursor is not None:
            self._turn, self._attempt, self._offset = _read_cursor(cursor)
        elif self.only_turn is not None:
            self._turn = self.only_turn
        else:
            unfinished = [turn.number for turn in turns if turn.state not in OVER]
            self._turn = min(unfinished, default=max(numbers, default=0))
            self._told = {turn.number: _state_of(turn) for turn in turns if turn.state in OVER}

    def response(self) -> Response:
        """Return the stream as a response."""
        return stream_response(self.events(), self.services.clock)

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Give events until the server stops, the turn is over, or the caller must leave."""
        tailer = self.services.tailer
        yield ServerSentEvent(comment="open", sep="\n")
        while not tailer.is_closed:
            seen = tailer.count
            try:
                self.actor = await self.recheck()
                turns = await self._read_turns()
            except (Unauthenticated, NotFound, Gone):
                return
            for turn in turns:
                async for event in self._events_of(turn):
                    yield event
                if turn.number == self.only_turn and turn.state in OVER:
                    return
            is_live = any(turn.state not in OVER for turn in turns)
            await tailer.wait(seen, TURN_POLL_S if is_live else limits.STREAM_RECHECK_S)

    async def _read_turns(self) -> list[TurnRow]:
        turns = await self.services.store.list_turns(self.actor, self.chat_id)
        wanted = [turn for turn in turns if turn.number >= self._turn]
        if self.only_turn is None:
            return wanted
        return [turn for turn in wanted if turn.number == self.only_turn]

    async def _events_of(self, turn: TurnRow) -> AsyncIterator[ServerSentEvent]:
        # A state is told before the text that follows it, an end only behind all text: the chunks
        # are read after the turn was, so none of a finished turn can be missing.
        is_news = self._told.get(turn.number) != _state_of(turn)
        if is_news and turn.state not in OVER:
            yield self._told_turn(turn)
        if turn.number > self._turn:
            self._turn, self._attempt, self._offset = turn.number, 0, NOTHING_YET
        for chunk in await self._read_chunks(turn.number):
            if chunk.attempt > self._attempt and self._offset != NOTHING_YET:
                yield sent_event("reset", ResetShape(turn=chunk.turn, attempt=chunk.attempt))
            self._attempt, self._offset = chunk.attempt, chunk.offset
            yield self._delta(chunk)
        if is_news and turn.state in OVER:
            yield self._told_turn(turn)

    async def _read_chunks(self, turn: int) -> tuple[ChunkRow, ...]:
        return await self.services.store.get_stream_chunks(
            self.actor, self.chat_id, turn, (self._attempt, self._offset)
        )

    def _told_turn(self, turn: TurnRow) -> ServerSentEvent:
        self._told[turn.number] = _state_of(turn)
        shape = TurnEventShape(
            turn=turn.number, attempt=turn.attempt, state=turn.state, error=turn.error
        )
        return sent_event("turn", shape)

    def _delta(self, chunk: ChunkRow) -> ServerSentEvent:
        shape = DeltaShape(
            turn=chunk.turn, attempt=chunk.attempt, offset=chunk.offset, content=chunk.content
        )
        return sent_event("delta", shape, f"{chunk.turn}.{chunk.attempt}.{chunk.offset}")


# How soon text that another process stored is seen while a turn runs.
TURN_POLL_S: Final = limits.STREAM_FLUSH_INTERVAL_MS / 1000


def _state_of(turn: TurnRow) -> tuple[str, int]:
    return turn.state, turn.attempt


def _read_cursor(cursor: str) -> tuple[int, int, int]:
    matched = CURSOR.fullmatch(cursor)
    if matched is None:
        raise Malformed("This cursor is not of a chat's stream.", code="bad_cursor")
    turn, attempt, offset = (int(part) for part in matched.groups())
    return turn, attempt, offset


__all__ = ["TurnStream"]
