"""What an MCP tool answered, as it goes over the link: text, and files that a model may be shown.

The text has a maximum and says when it was cut. An image or a document is kept as it is while there
is room for it; what is not kept stands in the text as a line. Structured content goes beside the
text, for clients that are programs: whole, or not at all.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from driftpin import limits
from driftpin.chat.attachments import SHOWN_MEDIA, Attachment
from driftpin.context.manifest import Json
from driftpin.errors import DriftpinError
from driftpin.wire.json_text import parse_json

LEFT_OUT: Final = "[structured content: left out, too large or too deep]"


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """The answer of a tool, within all limits."""

    text: str
    is_error: bool
    is_cut: bool
    attachments: tuple[Attachment, ...] = ()
    # Written as JSON already, so that nothing inside it is looked at on the way.
    structured: str | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the answer as the server reads it."""
        return {
            **({} if self.structured is None else {"structured": self.structured}),
            "text": self.text,
            "is_error": self.is_error,
            "is_cut": self.is_cut,
            "attachments": [
                {"media_type": each.media_type, "content": each.content}
                for each in self.attachments
            ],
        }


@dataclass(slots=True)
class _Room:
    """What is left for attachments."""

    kept: list[Attachment] = field(default_factory=list)
    characters: int = limits.MCP_ATTACHMENTS_BYTES_MAX

    def take(self, media_type: str, content: str) -> bool:
        is_fit = len(self.kept) < limits.MCP_ATTACHMENTS_MAX and len(content) <= self.characters
        if is_fit:
            self.kept.append(Attachment(media_type, content))
            self.characters -= len(content)
        return is_fit


def read_answer(result: Any) -> ToolAnswer:
    """Return what the SDK's result says."""
    room = _Room()
    texts = list(_texts(result, room))
    structured = _structured(result.structured_content)
    is_left_out = structured is None and result.structured_content is not None
    if is_left_out:
        texts.insert(0, LEFT_OUT)
    text, is_cut = cut_text("\n".join(texts))
    return ToolAnswer(
        text, bool(result.is_error), is_cut or is_left_out, tuple(room.kept), structured
    )


def _structured(content: Any) -> str | None:
    """Return the content as JSON; None if it is too large or not read alike by everybody."""
    if content is None:
        return None
    written = json.dumps(content)
    if len(written) > limits.TOOL_RESULT_BYTES_MAX:
        return None
    try:
        parse_json(written.encode())
    except DriftpinError:
        return None
    return written


def cut_text(text: str) -> tuple[str, bool]:
    """Return the text within the limit of a tool's result, and whether it had to be cut."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= limits.TOOL_RESULT_BYTES_MAX:
        return encoded.decode(), False
    kept = encoded[: limits.TOOL_RESULT_BYTES_MAX].decode(errors="ignore")
    return f"{kept}\n[cut: {len(kept.encode())} of {len(encoded)} bytes are shown]", True


def _texts(result: Any, room: _Room) -> Iterator[str]:
    for block in result.content:
        yield from _text_of(block, room)
    if not result.content and result.structured_content is not None:
        # A server is to say it in words as well; one that does not is still heard.
        yield json.dumps(result.structured_content, ensure_ascii=False, sort_keys=True)


def _text_of(block: Any, room: _Room) -> Iterator[str]:
    match block.type:
        case "text":
            yield block.text
        case "image" | "audio":
            yield from _file(block.mime_type, block.data, block.type, room)
        case "resource":
            yield from _resource(block.resource, room)
        case "resource_link":
            yield f"[link: {block.name}, {block.uri}]"
        case other:
            yield f"[{other}: not shown]"


def _resource(resource: Any, room: _Room) -> Iterator[str]:
    text = getattr(resource, "text", None)
    if text is not None:
        yield f"[resource: {resource.uri}]"
        yield text
    else:
        yield from _file(resource.mime_type or "", resource.blob, f"resource {resource.uri}", room)


def _file(media_type: str, content: str, what: str, room: _Room) -> Iterator[str]:
    size_bytes: Final = len(content) * 3 // 4
    if media_type not in SHOWN_MEDIA:
        yield f"[{what}: {media_type or 'unknown type'}, {size_bytes} bytes, not shown]"
    elif not room.take(media_type, content):
        yield f"[{what}: {media_type}, {size_bytes} bytes, left out: too large]"
    else:
        yield f"[{what}: {media_type}, {size_bytes} bytes, attached]"


__all__ = ["ToolAnswer", "cut_text", "read_answer"]
