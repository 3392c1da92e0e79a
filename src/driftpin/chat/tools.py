"""What a tool is to a model, and what a call of one gives."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import rfc8785

from driftpin.chat.attachments import Attachment
from driftpin.context.manifest import Json
from driftpin.identity import Digest, digest_of


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool as it is offered to a model; `parameters` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call has come, as its tool tells it: of `total`, where that is known."""

    done: float
    total: float | None = None
    text: str | None = None


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call gave, for the model. A failure is a result with `is_error` and a fixed `code`.

    `structured` says the same as `content` to clients that are programs; no model is shown it.
    """

    content: str
    is_error: bool = False
    code: str = ""
    attachments: tuple[Attachment, ...] = ()
    structured: Json = None


# A call that a worker had started when it went away.
UNKNOWN_RESULT: Final = ToolResult(
    "The server stopped while this call was under way, so it is not known whether it was carried "
    "out. It is not made again by itself.",
    is_error=True,
    code="unknown",
)

# Calls of a turn that was stopped: the one that was under way, and those that would have followed.
STOPPED_RESULT: Final = ToolResult(
    "The turn was stopped while this call was under way, so it is not known what it did.",
    is_error=True,
    code=UNKNOWN_RESULT.code,
)
NOT_MADE_RESULT: Final = ToolResult(
    "The turn was stopped before this call was made.", is_error=True, code="interrupted"
)


def sorted_tools(tools: Iterable[ToolDefinition]) -> tuple[ToolDefinition, ...]:
    """Return the tools in the order in which they are sent: by name."""
    return tuple(sorted(tools, key=lambda tool: tool.name))


def canonical_tools(tools: Iterable[ToolDefinition]) -> bytes:
    """Return the canonical JSON of these tools, in this order."""
    listed: list[Json] = [
        {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
        for tool in tools
    ]
    return rfc8785.dumps(listed)


def digest_of_tools(tools: Iterable[ToolDefinition]) -> Digest:
    """Return the digest over the canonical JSON of these tools, in this order."""
    return digest_of(canonical_tools(tools))


__all__ = [
    "NOT_MADE_RESULT",
    "STOPPED_RESULT",
    "UNKNOWN_RESULT",
    "OnProgress",
    "Progress",
    "ToolDefinition",
    "ToolResult",
    "canonical_tools",
    "digest_of_tools",
    "sorted_tools",
]
