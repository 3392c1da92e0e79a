"""Takes a model's answer as it comes and keeps what streamed in batches."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import assert_never

from driftpin import limits
from driftpin.chat.messages import Message, Part, Role, TextPart, ToolCallPart
from driftpin.chat.tokens import TokenCounts
from driftpin.clock import Clock
from driftpin.models.port import Finished, ModelEvent, TextDelta, ToolCallRequested, Usage

KeepBatch = Callable[[int, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of a model."""

    message: Message
    tokens: TokenCounts | None


class AnswerCollector:
    """Collects one answer; hands batches of its text to `keep(offset, text)`.

    The first words are handed on at once, later ones at most every STREAM_FLUSH_INTERVAL_MS.
    `offset_characters` is where this answer begins within what the attempt has streamed so far.
    `call_ids` are those of earlier calls: a call that comes with one of them gets another, since
    some providers count anew in every answer.
    """

    def __init__(
        self, keep: KeepBatch, clock: Clock, offset_characters: int, call_ids: AbstractSet[str]
    ) -> None:
        """Start with nothing collected."""
        self._keep = keep
        self._clock = clock
        self._offset = offset_characters
        self._text: list[str] = []
        self._unkept: list[str] = []
        self._calls: list[ToolCallPart] = []
        self._call_ids = set(call_ids)
        self._tokens: TokenCounts | None = None
        self._kept_at_s: float | None = None

    @property
    def offset_characters(self) -> int:
        """Where the next answer of this attempt would begin."""
        return self._offset

    async def collect(self, events: AsyncGenerator[ModelEvent, None]) -> Answer:
        """Take all events and return the answer; what was kept so far survives a failure."""
        # Closed here whatever happens, so that a stopped request does not keep its connection.
        async with aclosing(events):
            async for event in events:
                await self._take(event)
        await self.flush()
        return Answer(self.message(), self._tokens)

    async def _take(self, event: ModelEvent) -> None:
        match event:
            case TextDelta(text=text):
                await self._add_text(text)
            case ToolCallRequested(call=call):
                self._add_call(call)
            case Usage(tokens=tokens):
                self._tokens = tokens
            case Finished():
                pass
            case _:
                assert_never(event)

    def message(self) -> Message:
        """Return what was collected so far, as a message of the model."""
        text = "".join(self._text)
        words: tuple[Part, ...] = (TextPart(text),) if text or not self._calls else ()
        return Message(Role.ASSISTANT, (*words, *self._calls))

    def words(self) -> Message:
        """Return the words that were collected so far, without calls that were not completed."""
        return Message(Role.ASSISTANT, (TextPart("".join(self._text)),))

    async def flush(self) -> None:
        """Hand on what was not yet handed on."""
        if not self._unkept:
            return
        text = "".join(self._unkept)
        self._unkept.clear()
        self._kept_at_s = self._clock.monotonic_s()
        await self._keep(self._offset, text)
        self._offset += len(text)

    def _add_call(self, call: ToolCallPart) -> None:
        call_id, number = call.call_id, 1
        while call_id in self._call_ids:
            number += 1
            call_id = f"{call.call_id}-{number}"
        self._call_ids.add(call_id)
        self._calls.append(replace(call, call_id=call_id))

    async def _add_text(self, text: str) -> None:
        if not text:
            return
        self._text.append(text)
        self._unkept.append(text)
        waited_s = self._clock.monotonic_s() - (self._kept_at_s or 0.0)
        if self._kept_at_s is None or waited_s * 1000 >= limits.STREAM_FLUSH_INTERVAL_MS:
            await self.flush()


__all__ = ["Answer", "AnswerCollector", "KeepBatch"]
