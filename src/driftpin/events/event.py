"""Events: one small row per operation, written in the transaction that makes the change.

Payloads hold ids, digests and revisions, never bodies. Whoever receives one compares revisions and
reads again (spec/pinning.md §8).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from driftpin.identity import AgentId, ChatId, WorkspaceId


class EventKind(StrEnum):
    """What may happen.

    `chat.dirty`, `chat.clean` and `approval.requested` are derived for a reader and never stored.
    """

    AGENT_HEAD = "agent.head"
    AGENT_STATE = "agent.state"
    CHAT_CREATED = "chat.created"
    CHAT_CHANGED = "chat.changed"
    CHAT_DELETED = "chat.deleted"
    CHAT_PINNED = "chat.pinned"
    CHAT_DIRTY = "chat.dirty"
    CHAT_CLEAN = "chat.clean"
    CHAT_MESSAGE = "chat.message"
    CHAT_TURN = "chat.turn"
    CHAT_SHARED = "chat.shared"
    WORKSPACE_CHANGED = "workspace.changed"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_DECIDED = "approval.decided"
    REVIEW_PUBLISHED = "review.published"
    REVIEW_DELETED = "review.deleted"
    DEPLOYMENT_RESTORED = "deployment.restored"


# In the payload of a `chat.changed` that tells how many sources the chat holds from now on.
HOLDS: Final = "holds"
Payload = Mapping[str, str | int | bool | None]


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where an event stands. Order is (transaction_id, number), see `store.event_order`."""

    transaction_id: int
    number: int


@dataclass(frozen=True, slots=True)
class Event:
    """One stored or derived event."""

    position: Position
    kind: EventKind
    at: datetime
    payload: Payload
    workspace_id: WorkspaceId | None = None
    chat_id: ChatId | None = None
    agent_id: AgentId | None = None


__all__ = ["HOLDS", "Event", "EventKind", "Payload", "Position"]
