"""A model that speaks as it is told to, holds where it is told to, and keeps what it was asked."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from driftpin.chat.messages import ToolCallPart
from driftpin.errors import Unavailable
from driftpin.models.port import (
    Finished,
    FinishReason,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCallRequested,
)

WAIT_S = 30


@dataclass(slots=True)
class Say:
    """One answer; with `holds` it waits before it is given, with `fails` none comes.

    Before each of the `pieces`, and behind the last, the model waits until it may go on.
    """

    text: str = ""
    calls: tuple[ToolCallPart, ...] = ()
    pieces: tuple[str, ...] = ()
    holds: bool = False
    fails: bool = False


@dataclass(slots=True)
class ToldModel:
    """Gives one answer per request, in order, and the last one for ever."""

    answers: list[Say]
    name: str = "told"
    context_budget_tokens: int = 100_000
    requests: list[ModelRequest] = field(default_factory=list)
    is_held: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        say = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if say.holds:
            self.is_held.set()
            await self.let_go.wait()
        if say.fails:
            raise Unavailable("The provider is away.", code="model_unavailable")
        if say.text:
            yield TextDelta(say.text)
        for piece in say.pieces:
            await self.go_on.acquire()
            yield TextDelta(piece)
        if say.pieces:
            await self.go_on.acquire()
        for call in say.calls:
            yield ToolCallRequested(call)
        yield Finished(FinishReason.TOOL_CALLS if say.calls else FinishReason.STOP)

    async def close(self) -> None:
        return None

    async def held(self) -> None:
        """Wait until a request is held."""
        await asyncio.wait_for(self.is_held.wait(), WAIT_S)

    def heard(self, number: int = -1) -> list[str]:
        """Return the words of a request's messages."""
        return [message.text for message in self.requests[number].messages]


def call(name: str, arguments: str, call_id: str = "c1") -> ToolCallPart:
    """Return a call as a model makes it."""
    return ToolCallPart(call_id, name, arguments)


READ_RULES = call("read_skill", '{"name": "tidy"}')
