"""Takes a model's answer as it comes and keeps what streamed in batches."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import assert_never

from driftpin import limits
from driftpin.chat.messages import Message, Part, Role, TextPart, ToolCallPart
from driftpin.chat.tokens import TokenCounts
from driftpin.models.port import Finished, ModelEvent, TextDelta, ToolCallRequested, Usage
from driftpin.store.turn_values import StreamedText

KeepBatch = Callable[[StreamedText], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of a model."""

    message: Message
    tokens: TokenCounts | None


class AnswerCollector:
    """Collects one answer; hands batches of its text to `keep` meanwhile.

    Words are handed on as soon as the model pauses, and then at most every
    STREAM_FLUSH_INTERVAL_MS, whether it goes on or not. What is left when the answer is whole is
    in `unkept`, for whoever commits the answer.

    `offset_characters` is where this answer begins within what the attempt has streamed so far.
    `call_ids` are those of earlier calls: a call that comes with one of them gets another, since
    some providers count anew in every answer.
    """

    def __init__(self, keep: KeepBatch, offset_characters: int, call_ids: AbstractSet[str]) -> None:
        """Start with nothing collected."""
        self._keep = keep
        self._offset = offset_characters
        self._text: list[str] = []
        self._unkept: list[str] = []
        self._has_unkept = asyncio.Event()
        self._keeping = asyncio.Lock()
        self._calls: list[ToolCallPart] = []
        self._call_ids = set(call_ids)
        self._tokens: TokenCounts | None = None

    @property
    def unkept(self) -> StreamedText:
        """The words that were not handed on, and where they stand."""
        return StreamedText(self._offset, "".join(self._unkept))

    async def collect(self, events: AsyncGenerator[ModelEvent, None]) -> Answer:
        """Take all events and return the answer; what was kept so far survives a failure."""
        keeper = asyncio.create_task(self._keep_forever())
        try:
            # Closed whatever happens, so that a stopped request does not keep its connection.
            async with aclosing(events):
                async for event in events:
                    if keeper.done():
                        await keeper
                    self._take(event)
        finally:
            # A batch under way stands before all that is told later.
            async with self._keeping:
                keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        if not keeper.cancelled():
            keeper.result()
        return Answer(self.message(), self._tokens)

    async def _keep_forever(self) -> None:
        while True:
            await self._has_unkept.wait()
            async with self._keeping:
                batch = self.unkept
                self._unkept.clear()
                self._has_unkept.clear()
                self._offset += len(batch.text)
                await self._keep(batch)
            await asyncio.sleep(limits.STREAM_FLUSH_INTERVAL_MS / 1000)

    def _take(self, event: ModelEvent) -> None:
        match event:
            case TextDelta(text=text):
                self._add_text(text)
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

    def _add_call(self, call: ToolCallPart) -> None:
        call_id, number = call.call_id, 1
        while call_id in self._call_ids:
            number += 1
            call_id = f"{call.call_id}-{number}"
        self._call_ids.add(call_id)
        self._calls.append(replace(call, call_id=call_id))

    def _add_text(self, text: str) -> None:
        if text:
            self._text.append(text)
            self._unkept.append(text)
            self._has_unkept.set()


__all__ = ["Answer", "AnswerCollector", "KeepBatch"]
