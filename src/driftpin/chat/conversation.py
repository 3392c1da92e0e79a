"""The messages of a chat as a model may be given them: every call with its result."""

from collections.abc import Iterable, Iterator

from driftpin.chat.messages import Message, Part, Role, ToolCallPart, ToolResultPart

NOT_CARRIED_OUT = "No result of this call was kept: its turn ended before."


def answered(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Return the messages with a result for every call.

    A turn that was stopped or that failed can end with calls that nobody carried out, and providers
    refuse a conversation in which a call has no result.
    """
    return tuple(_answered(tuple(messages)))


def _answered(messages: tuple[Message, ...]) -> Iterator[Message]:
    for index, message in enumerate(messages):
        yield message
        following = messages[index + 1] if index + 1 < len(messages) else None
        if message.calls and (following is None or following.role is not Role.TOOL):
            yield Message(Role.TOOL, tuple(_missing(call) for call in message.calls))


def _missing(call: ToolCallPart) -> Part:
    return ToolResultPart(
        call.call_id, call.name, NOT_CARRIED_OUT, is_error=True, code="not_carried_out"
    )


__all__ = ["answered"]
