"""Further shapes of the API: what is exported whole, and what a stream of a chat says."""

from typing import Literal

from pydantic import JsonValue

from driftpin.wire.shape import DigestText, IdText, InstantText, ReplyShape, Shape


class HealthShape(ReplyShape):
    """The server answers."""

    status: Literal["ok"]


class ExportedFileShape(ReplyShape):
    """One pinned file with its bytes in base64; `path` is empty unless it is a skill's file."""

    source: str
    path: str
    executable: bool
    digest: DigestText
    data: str


class ExportShape(ReplyShape):
    """A whole pin: the manifest as it is hashed, in base64, and every file that it pins."""

    chat_id: IdText
    revision: int
    snapshot: DigestText
    manifest: str
    files: tuple[ExportedFileShape, ...]


class InterruptShape(ReplyShape):
    """The running turn was asked to stop; the stream of the chat tells when it has."""

    chat_id: IdText
    state: Literal["interrupting"]


class TurnEventShape(ReplyShape):
    """A turn as a chat's stream tells it: `waiting`, `running`, `done`, `failed`, …."""

    turn: int
    attempt: int
    state: str
    error: str | None


class DeltaShape(ReplyShape):
    """A batch of streamed text: characters from `offset` on, counted within the attempt."""

    turn: int
    attempt: int
    offset: int
    content: dict[str, JsonValue]


class ResetShape(ReplyShape):
    """Another worker began the turn anew: whatever was streamed of it before is void."""

    turn: int
    attempt: int


class SlowConsumerShape(ReplyShape):
    """The stream ends because its reader was too slow; it can go on behind `cursor`."""

    code: Literal["slow_consumer"] = "slow_consumer"
    cursor: str | None


class ClosingShape(ReplyShape):
    """The server ends the stream: `stopping`, `storage_unavailable`, `schema_changed`, ….

    It can go on behind `cursor`, on this server or another one.
    """

    reason: str
    cursor: str | None


class SyncShape(ReplyShape):
    """Whether pushes of all agents are paused, and since when it is so."""

    paused: bool
    since: InstantText | None


class SyncRequest(Shape):
    """What is to become of the pushes of all agents."""

    paused: bool


__all__ = [
    "ClosingShape",
    "DeltaShape",
    "ExportShape",
    "ExportedFileShape",
    "HealthShape",
    "InterruptShape",
    "ResetShape",
    "SlowConsumerShape",
    "SyncRequest",
    "SyncShape",
    "TurnEventShape",
]
