"""Amazon's event stream, as a server writes it: binary frames, each with two checksums."""

import json
import struct
from binascii import crc32
from typing import Any

from models.fake_provider import ARGUMENTS, Reply

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_TEXT = 7


def frame(message: str, kind: str, payload: dict[str, Any]) -> bytes:
    """Return one frame; `message` is `event` or `exception`, and `kind` says of what."""
    named = {
        ":message-type": message,
        f":{message}-type": kind,
        ":content-type": "application/json",
    }
    headers = b"".join(
        struct.pack("!B", len(name))
        + name.encode()
        + struct.pack("!BH", _TEXT, len(value))
        + value.encode()
        for name, value in named.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    checked = prelude + struct.pack("!I", crc32(prelude)) + headers + body
    return checked + struct.pack("!I", crc32(checked))


def event(kind: str, **payload: Any) -> bytes:
    return frame("event", kind, payload)


def words(*spoken: str) -> bytes:
    """Return how an answer begins."""
    deltas = (
        event("contentBlockDelta", contentBlockIndex=0, delta={"text": text}) for text in spoken
    )
    return event("messageStart", role="assistant") + b"".join(deltas)


def whole_answer() -> Reply:
    """Return words, a call in pieces, the end, and what was counted."""
    call = {"toolUse": {"toolUseId": "c2", "name": "read_skill_file"}}
    pieces = ({"toolUse": {"input": part}} for part in (ARGUMENTS[:9], ARGUMENTS[9:]))
    usage = {"inputTokens": 30, "outputTokens": 9, "totalTokens": 109}
    usage |= {"cacheReadInputTokens": 60, "cacheWriteInputTokens": 10}
    frames = [
        words("Swe", "pt."),
        event("contentBlockStop", contentBlockIndex=0),
        event("contentBlockStart", contentBlockIndex=1, start=call),
        *(event("contentBlockDelta", contentBlockIndex=1, delta=piece) for piece in pieces),
        event("contentBlockStop", contentBlockIndex=1),
        event("messageStop", stopReason="tool_use"),
        event("metadata", usage=usage, metrics={"latencyMs": 5}),
    ]
    return streamed(b"".join(frames))


def streamed(body: bytes, *, stays_open: bool = False) -> Reply:
    return Reply(body, content_type=CONTENT_TYPE, stays_open=stays_open)


def refusal(status: int, code: str, message: str = "secret-key", **headers: str) -> Reply:
    named = {
        "x-amzn-errortype": code,
        **{name.replace("_", "-"): headers[name] for name in headers},
    }
    return Reply(json.dumps({"message": message}), status, "application/json", named)
