"""The messages of a chat in a form that belongs to no provider, and their canonical JSON.

Arguments of a tool call are kept as the JSON text that the model wrote: it may be broken, or hold
numbers that no canonical form has, and what the model said is still told as it was.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from driftpin.chat.attachments import Attachment
from driftpin.chat.markers import make_harmless
from driftpin.context.manifest import Json
from driftpin.errors import Malformed
from driftpin.identity import Digest, digest_of


class Role(StrEnum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class TextPart:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A tool that the model wants called; `arguments` is JSON text as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    """What a call gave. A failing tool is a result too, with its code."""

    call_id: str
    name: str
    content: str
    is_error: bool = False
    code: str = ""
    attachments: tuple[Attachment, ...] = ()


Part = TextPart | ToolCallPart | ToolResultPart


@dataclass(frozen=True, slots=True)
class Message:
    """One message: a user's text, a model's text and calls, or the results of calls."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The words of the message, without calls and results."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def calls(self) -> tuple[ToolCallPart, ...]:
        """The calls that the message asks for, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCallPart))


def user_message(text: str) -> Message:
    """Return a message of the user."""
    return Message(Role.USER, (TextPart(text),))


def as_sent(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Return the messages as a model gets them: with imitated marks and tokens made harmless.

    Also a model's own earlier words, since it may have been led to write a mark. Calls keep their
    arguments, which are data for a tool.
    """
    return tuple(
        Message(message.role, tuple(_harmless(part) for part in message.parts))
        for message in messages
    )


def parse_arguments(call: ToolCallPart) -> dict[str, object]:
    """Return the arguments of a call as an object, or raise Malformed `bad_arguments`."""
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise Malformed("The arguments are not JSON.", code="bad_arguments") from error
    if not isinstance(arguments, dict):
        raise Malformed("The arguments are not a JSON object.", code="bad_arguments")
    return arguments


def message_to_json(message: Message) -> dict[str, Json]:
    """Return the message as it is stored and sent over the wire."""
    return {"role": message.role.value, "parts": [_part_to_json(part) for part in message.parts]}


def message_from_json(written: Mapping[str, Json]) -> Message:
    """Return the message that `message_to_json` wrote; anything else is a programming fault."""
    parts = written["parts"]
    assert isinstance(parts, list)
    return Message(Role(str(written["role"])), tuple(_part_from_json(part) for part in parts))


def digest_of_messages(messages: Iterable[Message]) -> Digest:
    """Return the digest over the canonical JSON (RFC 8785) of these messages, in this order.

    All names are ASCII, and there are no numbers, so sorting and escaping are all there is to it.
    """
    written = [message_to_json(message) for message in messages]
    text = json.dumps(written, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return digest_of(text.encode())


def _harmless(part: Part) -> Part:
    match part:
        case TextPart(text=text):
            return TextPart(make_harmless(text))
        case ToolResultPart(content=content):
            return replace(part, content=make_harmless(content))
        case ToolCallPart():
            return part


def _part_to_json(part: Part) -> Json:
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text}
        case ToolCallPart(call_id=call_id, name=name, arguments=arguments):
            return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}
        case ToolResultPart():
            return {
                "type": "tool_result",
                "id": part.call_id,
                "name": part.name,
                "content": part.content,
                "is_error": part.is_error,
                "code": part.code,
                **_attachments_to_json(part),
            }


def _attachments_to_json(part: ToolResultPart) -> dict[str, Json]:
    """Return nothing for a result without any: such are written as they always were."""
    if not part.attachments:
        return {}
    listed: list[Json] = [
        {"media_type": each.media_type, "content": each.content} for each in part.attachments
    ]
    return {"attachments": listed}


def _part_from_json(written: Json) -> Part:
    assert isinstance(written, dict)
    match written["type"]:
        case "text":
            return TextPart(str(written["text"]))
        case "tool_call":
            return ToolCallPart(str(written["id"]), str(written["name"]), str(written["arguments"]))
        case "tool_result":
            return ToolResultPart(
                call_id=str(written["id"]),
                name=str(written["name"]),
                content=str(written["content"]),
                is_error=bool(written["is_error"]),
                code=str(written["code"]),
                attachments=_attachments_from_json(written.get("attachments", [])),
            )
        case other:
            raise AssertionError(f"unknown part {other!r}")


def _attachments_from_json(written: Json) -> tuple[Attachment, ...]:
    assert isinstance(written, list)
    return tuple(
        Attachment(str(each["media_type"]), str(each["content"]))
        for each in written
        if isinstance(each, dict)
    )


__all__ = [
    "Message",
    "Part",
    "Role",
    "TextPart",
    "ToolCallPart",
    "ToolResultPart",
    "as_sent",
    "digest_of_messages",
    "message_from_json",
    "message_to_json",
    "parse_arguments",
    "user_message",
]
