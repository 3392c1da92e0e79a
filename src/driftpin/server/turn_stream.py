"""The stream of a chat: turns and their text, from stored rows, so that any replica can resume.

`turn` tells every change of a turn's state, `requires_action` which calls the chat's client is to
carry out, `delta` carries text, `reset` says that what was streamed of a turn before is void. The
deltas behind the last `reset` of a turn, joined, are the words of its answers. Chunks are stored
while a turn runs; of a turn that is over, the messages give whatever a reader has not had.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from sse_starlette.event import ServerSentEvent
from starlette.responses import Response

from driftpin import limits
from driftpin.chat.messages import Role, message_from_json
from driftpin.errors import Gone, Malformed, NotFound, Unauthenticated
from driftpin.identity import Actor, ChatId
from driftpin.server.replies import call_shape
from driftpin.server.services import Services
from driftpin.server.sse import sent_event, stream_response
from driftpin.store.event_order import resync_required
from driftpin.store.turn_values import ChunkRow
from driftpin.store.values import TurnRow, TurnState
from driftpin.wire.transfer import DeltaShape, ResetShape, TurnEventShape
from driftpin.wire.turns import RequiresActionShape

CURSOR: Final = re.compile(r"([0-9]{1,18})\.([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,12})")
OVER: Final = frozenset({TurnState.DONE, TurnState.FAILED, TurnState.INTERRUPTED})
LIVE: Final = frozenset({TurnState.WAITING, TurnState.RUNNING})
FIRST_ATTEMPT: Final = 1
# How soon text that another process stored is seen while a turn runs.
TEXT_POLL_S: Final = limits.STREAM_FLUSH_INTERVAL_MS / 1000


@dataclass(slots=True)
class _Place:
    """How much of a turn its reader has had: `end` characters of one attempt.

    `text` are those characters, None when they were had over an earlier connection.
    """

    turn: int = 0
    attempt: int = 0
    end: int = 0
    text: str | None = ""

    def cursor(self, epoch: int) -> str:
        return f"{epoch}.{self.turn}.{self.attempt}.{self.end}"


@dataclass(slots=True)
class TurnStream:
    """One reader's stream of one chat; with `only_turn` it ends when that turn is over."""

    services: Services
    recheck: Callable[[], Awaitable[Actor]]
    actor: Actor
    chat_id: ChatId
    only_turn: int | None = None
    _place: _Place = field(default_factory=_Place)
    _told: dict[int, tuple[TurnState, int]] = field(default_factory=dict)

    async def begin(self, cursor: str | None) -> None:
        """Stand behind `cursor`, else before the turn that was asked for, else before what runs.

        Raises NotFound for a chat, or a turn of it, that the caller may not see or that is not
        there, Malformed (`bad_cursor`), and Gone (`resync_required`) for one from before a restore.
        """
        first = self.only_turn or 0
        turns = await self.services.store.list_turns(self.actor, self.chat_id, first=first)
        numbers = [turn.number for turn in turns]
        if self.only_turn is not None and self.only_turn not in numbers:
            raise NotFound
        if cursor is not None:
            self._place = _read_cursor(cursor, self.services.cursors.epoch)
        elif self.only_turn is not None:
            self._place.turn = self.only_turn
        else:
            unfinished = [turn.number for turn in turns if turn.state not in OVER]
            self._place.turn = min(unfinished, default=max(numbers, default=0) + 1)

    def response(self) -> Response:
        """Return the stream as a response."""
        return stream_response(self.events(), self.services, self.actor)

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Give events until the server stops, the turn is over, or the caller must leave."""
        tailer = self.services.tailer
        endings = tailer.endings
        yield ServerSentEvent(comment="open", sep="\n")
        while not tailer.has_ended(endings):
            seen = tailer.count
            try:
                turns = await self._read_turns()
                told = [event for turn in turns async for event in self._events_of(turn)]
                # Asked behind everything that was read: what is younger than the end of the
                # caller's access is not told.
                self.actor = await self.recheck()
            except (Unauthenticated, NotFound, Gone):
                return
            for event in told:
                yield event
            if any(turn.number == self.only_turn and turn.state in OVER for turn in turns):
                return
            is_live = any(turn.state in LIVE for turn in turns)
            await tailer.wait(seen, TEXT_POLL_S if is_live else limits.STREAM_RECHECK_S)

    async def _read_turns(self) -> list[TurnRow]:
        # A long chat has many turns, and what its reader has had is not read again at every look.
        first = self._place.turn if self.only_turn is None else self.only_turn
        turns = await self.services.store.list_turns(self.actor, self.chat_id, first=first)
        return [turn for turn in turns if self.only_turn in (None, turn.number)]

    async def _events_of(self, turn: TurnRow) -> AsyncIterator[ServerSentEvent]:
        # The row was read before the text is: an end is never told before all that was said.
        if self._told.get(turn.number) == (turn.state, turn.attempt) and turn.state in OVER:
            return
        if turn.number > self._place.turn:
            self._place = _Place(turn.number)
        if turn.state in OVER:
            for event in self._complete(turn, await self._words_of(turn.number)):
                yield event
            yield self._told_turn(turn)
            return
        if self._told.get(turn.number) != (turn.state, turn.attempt):
            yield self._told_turn(turn)
            if turn.state is TurnState.REQUIRES_ACTION:
                yield await self._asked_of_client(turn)
        for chunk in await self._read_chunks(turn.number):
            for event in self._take(chunk):
                yield event

    async def _asked_of_client(self, turn: TurnRow) -> ServerSentEvent:
        rows = await self.services.store.list_tool_calls(self.actor, self.chat_id, turn.number)
        calls = tuple(call_shape(row) for row in rows if row.is_asked)
        shape = RequiresActionShape(
            turn=turn.number, attempt=turn.attempt, calls=calls, until=turn.lease_until
        )
        return sent_event("requires_action", shape)

    async def _read_chunks(self, turn: int) -> tuple[ChunkRow, ...]:
        after = (self._place.attempt, self._place.end - 1)
        return await self.services.store.get_stream_chunks(self.actor, self.chat_id, turn, after)

    async def _words_of(self, turn: int) -> str:
        """Return all words of the turn's answers, out of its messages."""
        words: list[str] = []
        cursor: str | None = None
        while True:
            page = await self.services.store.list_messages(
                self.actor, self.chat_id, cursor, limits.API_PAGE_ITEMS_MAX, turn=turn
            )
            told = [message_from_json(row.content) for row in page.items]
            words += [message.text for message in told if message.role is Role.ASSISTANT]
            cursor = page.next
            if cursor is None:
                return "".join(words)

    def _take(self, chunk: ChunkRow) -> Iterator[ServerSentEvent]:
        place = self._place
        if chunk.attempt > place.attempt:
            if place.end:
                yield self._void(chunk.attempt)
            place.attempt, place.end, place.text = chunk.attempt, 0, ""
        yield self._say(str(chunk.content["text"]))

    def _complete(self, turn: TurnRow, words: str) -> Iterator[ServerSentEvent]:
        """Give what the reader of a turn that is over has not had."""
        place = self._place
        is_first = place.attempt == turn.attempt == FIRST_ATTEMPT
        if is_first or not place.end:
            place.attempt = turn.attempt
        elif place.attempt != turn.attempt or not (place.text and words.endswith(place.text)):
            yield self._void(turn.attempt)
            place.attempt, place.end, place.text = turn.attempt, 0, ""
        else:
            return
        if words[place.end :]:
            yield self._say(words[place.end :])

    def _say(self, text: str) -> ServerSentEvent:
        place = self._place
        shape = DeltaShape(
            turn=place.turn, attempt=place.attempt, offset=place.end, content={"text": text}
        )
        place.end += len(text)
        place.text = None if place.text is None else place.text + text
        return sent_event("delta", shape, place.cursor(self.services.cursors.epoch))

    def _void(self, attempt: int) -> ServerSentEvent:
        return sent_event("reset", ResetShape(turn=self._place.turn, attempt=attempt))

    def _told_turn(self, turn: TurnRow) -> ServerSentEvent:
        self._told[turn.number] = (turn.state, turn.attempt)
        shape = TurnEventShape(
            turn=turn.number, attempt=turn.attempt, state=turn.state.value, error=turn.error
        )
        return sent_event("turn", shape)


def _read_cursor(cursor: str, epoch: int) -> _Place:
    matched = CURSOR.fullmatch(cursor)
    if matched is None:
        raise Malformed("This cursor is not of a chat's stream.", code="bad_cursor")
    of_epoch, turn, attempt, end = (int(part) for part in matched.groups())
    if of_epoch != epoch:
        raise resync_required()
    return _Place(turn, attempt, end, text=None if end else "")


__all__ = ["TurnStream"]
