"""What every model is asked with and answers with; none of it belongs to a provider."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from driftpin.chat.messages import Message, ToolCallPart
from driftpin.chat.pinned import PinnedContext
from driftpin.chat.prompt import RenderedPrompt
from driftpin.chat.receipts import Setting
from driftpin.chat.tokens import TokenCounts
from driftpin.chat.tools import ToolDefinition


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How a model is to answer; what is None is left to the provider."""

    max_output_tokens: int | None = None
    temperature: float | None = None

    def record(self) -> dict[str, Setting]:
        """Return what was set, by name, for a receipt."""
        named = {"max_output_tokens": self.max_output_tokens, "temperature": self.temperature}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Everything that one request sends, in order: tools, prompt, messages, volatile text.

    `answers_left_out` counts what the model said in messages that have left.
    `messages` have been through `chat.messages.as_sent`. `context` is what the prompt was rendered
    from; providers never look at it, the offline model answers out of it.
    """

    prompt: RenderedPrompt
    context: PinnedContext | None
    tools: tuple[ToolDefinition, ...]
    messages: tuple[Message, ...]
    volatile: str = ""
    settings: ModelSettings = field(default_factory=ModelSettings)
    answers_left_out: int = 0


class FinishReason(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Some more words of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallRequested:
    """A whole call that the model wants carried out."""

    call: ToolCallPart


@dataclass(frozen=True, slots=True)
class Usage:
    """What the request took; comes once, before the end."""

    tokens: TokenCounts


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an answer, always the last event of a request that did not fail."""

    reason: FinishReason


ModelEvent = TextDelta | ToolCallRequested | Usage | Finished


class Model(Protocol):
    """A model as the turn loop sees it. One instance may serve many chats at once."""

    @property
    def name(self) -> str:
        """The name under which it was asked for, such as `offline` or `anthropic:<model>`."""

    @property
    def context_budget_tokens(self) -> int:
        """How many tokens of its window the prompt's stable front may take."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Ask once and yield the answer: deltas, whole calls, usage, and `Finished` last.

        May raise Unavailable `model_unavailable` when the provider cannot answer now (asking again
        may help), and Rejected for what will not get better by itself. Whoever stops listening
        early closes the generator (`contextlib.aclosing`), which drops the connection.
        """

    async def close(self) -> None:
        """Release what the model holds, such as connections; it may be asked again afterwards."""


__all__ = [
    "FinishReason",
    "Finished",
    "Model",
    "ModelEvent",
    "ModelRequest",
    "ModelSettings",
    "TextDelta",
    "ToolCallRequested",
    "Usage",
]
