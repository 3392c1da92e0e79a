"""What is said in a chat, the turns that answer it, and what a person asks of a turn."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from driftpin import limits
from driftpin.wire.shape import DigestText, IdText, InstantText, ReplyShape, Shape

MessageText = Annotated[str, Field(min_length=1, max_length=limits.MESSAGE_BYTES_MAX)]


class SendMessageRequest(Shape):
    """A message of the user; it starts a turn.

    While one runs it waits behind it; with `if_running` `interrupt` the running turn is asked to
    stop. Messages that wait are answered in the order in which they were sent, whoever interrupts.
    """

    text: MessageText
    if_running: Literal["queue", "interrupt"] = "queue"


class RetryRequest(Shape):
    """Run the chat again from a turn that ended; without `text` with the message as it was."""

    text: MessageText | None = None


class ClientToolShape(Shape):
    """A tool that a client carries out; `parameters` is a JSON Schema of type object."""

    name: str
    description: str = ""
    parameters: dict[str, JsonValue] = Field(default={"type": "object"})


class ToolCallShape(ReplyShape):
    """One call of a turn; when `asked` the client is to carry it out and to post its result.

    `arguments` is JSON text that fits the tool's schema. A call that started a sub-chat names it.
    """

    call_id: str
    name: str
    arguments: str
    state: str
    outcome: str | None
    sub_chat_id: IdText | None
    asked: bool


class CallResultShape(Shape):
    """What a call gave; with `is_error` why it gave nothing."""

    call_id: str
    content: str
    is_error: bool = False


class SubmitResultsRequest(Shape):
    """Results of calls that the client was asked for; all of them are taken, or none."""

    results: Annotated[tuple[CallResultShape, ...], Field(min_length=1)]


class RequiresActionShape(ReplyShape):
    """The turn waits until its client has posted the results of these calls."""

    turn: int
    attempt: int
    calls: tuple[ToolCallShape, ...]
    until: InstantText | None


class MessageShape(ReplyShape):
    """One message; `content` is a list of parts (text, tool_call, tool_result)."""

    id: IdText
    position: int
    turn: int
    role: str
    content: dict[str, JsonValue]
    created_at: InstantText


class TurnShape(ReplyShape):
    """One turn and the pin it ran on; one that was replaced has left the conversation."""

    number: int
    state: str
    attempt: int
    error: str | None
    snapshot: DigestText | None
    pin_revision: int | None
    replaced_by: int | None = None
    created_at: InstantText
    finished_at: InstantText | None


class SentMessageShape(ReplyShape):
    """A stored message and the turn that will answer it."""

    message: MessageShape
    turn: TurnShape


__all__ = [
    "CallResultShape",
    "ClientToolShape",
    "MessageShape",
    "RequiresActionShape",
    "RetryRequest",
    "SendMessageRequest",
    "SentMessageShape",
    "SubmitResultsRequest",
    "ToolCallShape",
    "TurnShape",
]
