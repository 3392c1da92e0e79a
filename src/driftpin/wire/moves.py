"""What became of pins that were moved, or what would become of them."""

from typing import Literal

from driftpin.wire.api import ContextShape, FullContextShape
from driftpin.wire.drift import CostShape, DriftEntryShape
from driftpin.wire.shape import DigestText, IdText, ReplyShape, SeverityText, Shape


class RefreshManyRequest(Shape):
    """Refresh every dirty chat; with `dry_run` nothing is moved."""

    dry_run: bool = False


class MoveShape(ReplyShape):
    """One pin that a verb was asked to move; `to` and `revision` are where it stands after it."""

    chat_id: IdText
    verb: str
    moved: bool
    to: DigestText | None
    revision: int


class MovedContextShape(FullContextShape):
    """What a chat runs on now, and every pin that moved: the chat's, then those of its sub-chats.

    After a dry run the context is as it was, and `moves` says what would have moved.
    """

    dry_run: bool
    moves: tuple[MoveShape, ...]


class ForeseenShape(ReplyShape):
    """What a refresh would do: pin `snapshot`, which takes `entries`.

    `held` would be kept out, and `left` would go on being drift. The severity is the worst of what
    is taken. `below` are the sub-chats that would move with it.
    """

    dry_run: Literal[True] = True
    head: DigestText
    snapshot: DigestText
    moves: bool
    revision: int
    severity: SeverityText | None
    entries: tuple[DriftEntryShape, ...]
    held: tuple[DriftEntryShape, ...]
    left: tuple[DriftEntryShape, ...]
    cost: CostShape
    below: tuple[MoveShape, ...] = ()


class RefreshOutcomeShape(ReplyShape):
    """What became of one chat when many were refreshed; in a dry run, what would.

    `to` is where a chat moves, and `code` says why one does not.
    """

    chat_id: IdText
    result: Literal["refreshed", "unchanged", "skipped", "failed"]
    code: str | None
    context: ContextShape | None
    to: DigestText | None = None


__all__ = [
    "ForeseenShape",
    "MoveShape",
    "MovedContextShape",
    "RefreshManyRequest",
    "RefreshOutcomeShape",
]
