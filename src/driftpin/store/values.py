"""What the store gives back: frozen rows, read once and never written through.

Instants are aware and in UTC. A field that is None says that there is nothing, never that it was
not asked for.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

from driftpin.chat.states import ChatState
from driftpin.context.drift import Drift
from driftpin.context.holds import Holds
from driftpin.context.policies import ALL_PINNED, Policies, Policy, PolicySet
from driftpin.context.resource import Kind, Status
from driftpin.context.severity import Severity
from driftpin.credentials import TokenKind
from driftpin.identity import AgentId, ChatId, Digest, MessageId, TokenId, UserId, WorkspaceId

Item = TypeVar("Item")

# JSON as it was stored; whoever needs a field of it checks that field.
JsonObject = dict[str, Any]


class Access(StrEnum):
    """What a caller has on a chat; each contains the one before it."""

    READ = "read"
    UPDATE = "update"
    OWNER = "owner"


@dataclass(frozen=True, slots=True)
class SnapshotRef:
    """A stored snapshot, without its contents."""

    id: int
    digest: Digest
    prompt_digest: Digest
    tools_digest: Digest
    has_holes: bool


@dataclass(frozen=True, slots=True)
class UserRow:
    """A person who may sign in."""

    id: UserId
    name: str
    is_administrator: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TokenRow:
    """What is known of a token; its secret is not."""

    id: TokenId
    kind: TokenKind
    user_id: UserId | None
    agent_id: AgentId | None
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Quotas:
    """How many bytes of blobs a workspace, and all workspaces of a user, may keep; None: any."""

    workspace_bytes_max: int | None = None
    user_bytes_max: int | None = None


@dataclass(frozen=True, slots=True)
class WorkspaceRow:
    """A workspace; `head` is the newest accepted push of its current agent."""

    id: WorkspaceId
    owner_id: UserId
    name: str
    current_agent_id: AgentId | None
    created_at: datetime
    deleted_at: datetime | None
    head: SnapshotRef | None
    used_bytes: int = 0
    policies: PolicySet = ALL_PINNED


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent: what its newest hello and its newest accepted push said."""

    id: AgentId
    workspace_id: WorkspaceId
    name: str
    created_at: datetime
    deleted_at: datetime | None
    run_id: str | None
    incarnation: int
    hello: JsonObject | None
    hello_at: datetime | None
    head: SnapshotRef | None
    head_incarnation: int
    head_seq: int
    head_at: datetime | None
    observations: JsonObject | None
    seen_at: datetime | None
    is_connected: bool
    locked_at: datetime | None


@dataclass(frozen=True, slots=True)
class ChatRow:
    """A chat without its pin."""

    id: ChatId
    workspace_id: WorkspaceId
    owner_id: UserId
    parent_id: ChatId | None
    forked_from_id: ChatId | None
    title: str
    model: str
    policies: PolicySet
    state: ChatState
    error: str | None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    may_spawn: bool = False
    role: str = ""


@dataclass(frozen=True, slots=True)
class ContextSummary:
    """A chat's pin beside the head of the agent it is bound to, as lists show it.

    `complete` is false while the pin has a hole. `dirty`, `dirty_since` and `severity` are of the
    drift less what is held; `held` counts the differences that are. `error` is what the agent
    reported with its head, or a pin step that failed. `has_badge` says that the drift is to be
    shown: not while the chat is frozen. `is_blocked` says that the policies would move the pin, but
    for something risky.
    """

    agent_id: AgentId | None
    snapshot: SnapshotRef | None
    revision: int
    pinned_at: datetime | None
    head: SnapshotRef | None
    complete: bool
    dirty: bool
    dirty_since: datetime | None
    severity: Severity | None
    held: int
    error: str | None
    policies: Policies
    has_badge: bool
    is_blocked: bool


@dataclass(frozen=True, slots=True)
class ChatView:
    """A chat as one caller sees it."""

    chat: ChatRow
    access: Access
    context: ContextSummary


class PinnedEntry(NamedTuple):
    """One line of a snapshot: a named blob, or a resource that names none.

    `tokens` is about how many its text takes; files of skills may lack it: no prompt has them.
    """

    source: str
    path: str
    kind: Kind
    status: Status
    reason: str
    digest: Digest | None
    size_bytes: int | None
    tokens: int | None


@dataclass(frozen=True, slots=True)
class PinnedLines:
    """Every line of a chat's pin at one revision."""

    revision: int
    entries: tuple[PinnedEntry, ...]


@dataclass(frozen=True, slots=True)
class PinnedRead:
    """A chat's pin with its manifest, out of one statement."""

    chat: ChatRow
    revision: int
    snapshot: SnapshotRef | None
    manifest: bytes | None
    agent_id: AgentId | None


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One move of a pin."""

    chat_id: ChatId
    revision: int
    verb: str
    inputs: JsonObject
    from_digest: Digest | None
    to_digest: Digest | None
    actor: str
    event_id: int
    at: datetime
    severity: Severity | None


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message; positions of a chat rise by one."""

    id: MessageId
    chat_id: ChatId
    position: int
    turn: int
    role: str
    content: JsonObject
    created_at: datetime


class TurnState(StrEnum):
    """How far a turn is; its client, or sub-chats, have it in REQUIRES_ACTION and DELEGATED."""

    WAITING = "waiting"
    RUNNING = "running"
    REQUIRES_ACTION = "requires_action"
    DELEGATED = "delegated"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class TurnRow:
    """One turn with its lease; `fence` rises at every claim."""

    chat_id: ChatId
    number: int
    state: TurnState
    holder: str | None
    fence: int
    lease_until: datetime | None
    attempt: int
    error: str | None
    pin_revision: int | None
    snapshot_digest: Digest | None
    created_at: datetime
    finished_at: datetime | None
    replaced_by: int | None = None


@dataclass(frozen=True, slots=True)
class ShareRow:
    """What another user may do with a chat."""

    chat_id: ChatId
    user_id: UserId
    user_name: str
    access: Access


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items in order; `next` continues behind the last one, None when there are no more."""

    items: tuple[Item, ...]
    next: str | None


class PushResult(StrEnum):
    """What became of a push."""

    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """An answered push; `hydrated` counts the chats that it gave their first pin."""

    result: PushResult
    head: SnapshotRef
    incarnation: int
    seq: int
    hydrated: int


@dataclass(frozen=True, slots=True)
class PinMove:
    """What a verb did to a pin; a target that already was the pin moves nothing.

    `reason` is a code for why a dirty chat was left as it is; `below` are the sub-chats that moved
    with it.
    """

    chat_id: ChatId
    revision: int
    snapshot: SnapshotRef | None
    moved: bool
    verb: str
    reason: str = ""
    below: "tuple[PinMove, ...]" = ()


@dataclass(frozen=True, slots=True)
class HelloOutcome:
    """What an agent that says hello goes on with."""

    agent_id: AgentId
    workspace_id: WorkspaceId
    incarnation: int
    head: SnapshotRef | None
    head_seq: int


class WorkspaceHead(NamedTuple):
    """A workspace's current agent with the manifest of its head and the lines of it."""

    agent: AgentRow | None
    manifest: bytes | None
    entries: tuple[PinnedEntry, ...]


class DriftRead(NamedTuple):
    """A pin beside its head, both manifests, all that lies between them, and what is held."""

    pin: SnapshotRef | None
    head: SnapshotRef | None
    pin_manifest: bytes | None
    head_manifest: bytes | None
    drift: Drift
    holds: Holds


class DriftState(NamedTuple):
    """Whether a chat is dirty at this moment, for the derived events."""

    chat_id: ChatId
    revision: int
    context: ContextSummary


__all__ = [
    "Access",
    "AgentRow",
    "ChatRow",
    "ChatView",
    "ContextSummary",
    "DriftRead",
    "DriftState",
    "HelloOutcome",
    "HistoryRow",
    "JsonObject",
    "MessageRow",
    "Page",
    "PinMove",
    "PinnedEntry",
    "PinnedRead",
    "Policies",
    "Policy",
    "PolicySet",
    "PushOutcome",
    "PushResult",
    "Quotas",
    "ShareRow",
    "SnapshotRef",
    "TokenRow",
    "TurnRow",
    "TurnState",
    "UserRow",
    "WorkspaceHead",
    "WorkspaceRow",
]
