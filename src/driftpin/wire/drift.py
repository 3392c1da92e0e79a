"""The difference between two snapshots as the API tells it: entries, texts, and what it costs."""

from typing import Literal

from pydantic import Field, JsonValue

from driftpin.wire.shape import DigestText, InstantText, ReplyShape, SeverityText


class DriftEntryShape(ReplyShape):
    """One difference between a pin and its head."""

    source: str
    previous_source: str | None
    kind: str
    change: Literal["added", "removed", "modified", "renamed", "status"]
    severity: SeverityText
    status_before: str | None
    status_after: str | None
    reason_before: str | None
    reason_after: str | None
    files: tuple[dict[str, JsonValue], ...]
    findings: tuple[dict[str, JsonValue], ...]
    tools: tuple[dict[str, JsonValue], ...]
    head_digest: DigestText | None
    flapping: bool


class DiffShape(ReplyShape):
    """The text of one difference; hidden characters stand as visible escapes."""

    source: str
    path: str
    text: str
    truncated: bool
    notes: tuple[str, ...]
    added_lines: int
    removed_lines: int


class CostShape(ReplyShape):
    """What a refresh costs, in estimated tokens."""

    tokens_before: int
    tokens_after: int
    tokens_gained: int
    tokens_lost: int
    cache_tokens_forfeited: int


class DriftShape(ReplyShape):
    """The difference between a chat's pin and its agent's head.

    `entries`, `severity`, `diffs` and `cost` are of what is not held; `held` is what is.
    """

    pin: DigestText | None
    head: DigestText | None
    severity: SeverityText | None
    entries: tuple[DriftEntryShape, ...]
    held: tuple[DriftEntryShape, ...]
    diffs: tuple[DiffShape, ...] | None
    cost: CostShape | None


class HoldShape(ReplyShape):
    """One source that a chat keeps as it is; `digest` is of the entry in the head that is held off.

    The digest is null if the head had nothing there. A hold that is not in force waits for a head
    that comes back to it.
    """

    source: str
    digest: DigestText | None
    in_force: bool
    held_by: str
    held_at: InstantText


class HistoryEntryShape(ReplyShape):
    """One move of a pin."""

    revision: int
    verb: str
    inputs: dict[str, JsonValue]
    from_: DigestText | None = Field(alias="from")
    to: DigestText | None
    actor: str
    severity: SeverityText | None
    at: InstantText


__all__ = [
    "CostShape",
    "DiffShape",
    "DriftEntryShape",
    "DriftShape",
    "HistoryEntryShape",
    "HoldShape",
]
