"""What the API takes and gives (spec/pinning.md §9). Null is explicit wherever a client merges."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field, JsonValue

from driftpin import limits
from driftpin.wire.policies import PolicyText
from driftpin.wire.shape import (
    ONE_LINE,
    DigestText,
    IdText,
    InstantText,
    ReplyShape,
    SeverityText,
    Shape,
)
from driftpin.wire.turns import ClientToolShape

Item = TypeVar("Item")
AccessText = Literal["read", "update", "owner"]
SourceText = Annotated[str, Field(max_length=limits.SOURCE_BYTES_MAX)]
SourcesText = Annotated[
    tuple[SourceText, ...], Field(max_length=limits.SERVER_RESOURCES_LISTED_MAX)
]
TitleText = Annotated[str, Field(max_length=limits.TITLE_CHARACTERS_MAX), ONE_LINE]


class PageShape(ReplyShape, Generic[Item]):
    """One page of a list; `next` is the cursor of the following page, null on the last."""

    items: tuple[Item, ...]
    next: str | None


class UserShape(ReplyShape):
    """A user."""

    id: IdText
    name: str
    is_administrator: bool
    created_at: InstantText


class TokenShape(ReplyShape):
    """A token without its secret."""

    id: IdText
    kind: Literal["user", "agent", "session", "link"]
    label: str
    created_at: InstantText
    expires_at: InstantText | None
    revoked_at: InstantText | None


class CreateTokenRequest(Shape):
    """A token to make for the calling user; an administrator may name another user."""

    user_id: IdText | None = None
    label: Annotated[str, Field(max_length=100), ONE_LINE] = ""
    expires_in_s: Annotated[int, Field(ge=1, le=10 * 365 * 86_400)] | None = None


class CreatedTokenShape(TokenShape):
    """A token with its secret, shown this once."""

    token: str


class CreateUserRequest(Shape):
    """A user to make; administrators only."""

    name: Annotated[str, Field(min_length=1, max_length=100), ONE_LINE]
    is_administrator: bool = False


class CreateWorkspaceRequest(Shape):
    """A workspace to make for the caller."""

    name: Annotated[str, Field(min_length=1, max_length=200), ONE_LINE] = "workspace"


class SnapshotShape(ReplyShape):
    """A snapshot, by its digests."""

    digest: DigestText
    prompt_digest: DigestText
    tools_digest: DigestText


class WorkspaceShape(ReplyShape):
    """A workspace; `head` is the newest snapshot of its current agent."""

    id: IdText
    owner_id: IdText
    name: str
    current_agent_id: IdText | None
    head: SnapshotShape | None
    created_at: InstantText
    used_bytes: int
    used_bytes_max: int | None = None


class CreateAgentRequest(Shape):
    """An agent to enrol in a workspace."""

    name: Annotated[str, Field(min_length=1, max_length=100), ONE_LINE] = "agent"


class AgentShape(ReplyShape):
    """A workspace agent; `hello` and `observations` are null for all but the workspace's owner."""

    id: IdText
    workspace_id: IdText
    name: str
    incarnation: int
    head: SnapshotShape | None
    head_seq: int
    head_at: InstantText | None
    seen_at: InstantText | None
    locked_at: InstantText | None
    is_connected: bool
    is_current: bool
    hello: dict[str, JsonValue] | None
    observations: dict[str, JsonValue] | None
    created_at: InstantText


class CreatedAgentShape(AgentShape):
    """An agent with its token, shown this once."""

    token: str


class ResourceShape(ReplyShape):
    """One listed resource, never a body; what it pins in bytes, or null.

    `tokens` is about how many it puts before every message of a chat: an instruction file's text, a
    skill's line in the index, a server's tools; null if the resource is not ok.
    """

    kind: str
    source: str
    status: str
    reason: str
    digest: DigestText | None
    size_bytes: int | None
    tokens: int | None
    name: str | None = None
    description: str | None = None
    files: tuple[dict[str, JsonValue], ...] | None = None


class ContextShape(ReplyShape):
    """What a chat runs on, without its resources; lists carry this.

    `badge` is false for a dirty chat whose drift is frozen; `policy_blocked` says that its policies
    would move the pin, but for something risky.
    """

    snapshot: DigestText | None
    prompt_digest: DigestText | None
    tools_digest: DigestText | None
    revision: int
    pinned_at: InstantText | None
    agent_id: IdText | None
    head: DigestText | None
    complete: bool
    dirty: bool
    dirty_since: InstantText | None
    severity: SeverityText | None
    held: int
    error: str | None
    badge: bool = False
    policy_blocked: bool = False


class FullContextShape(ContextShape):
    """What a chat runs on, with everything that is listed in its pin."""

    resources: tuple[ResourceShape, ...]


class WorkspaceContextShape(ReplyShape):
    """The head of a workspace: its inventory, and for the owner what the agent observed."""

    agent_id: IdText | None
    snapshot: DigestText | None
    prompt_digest: DigestText | None
    tools_digest: DigestText | None
    accepted_at: InstantText | None
    resources: tuple[ResourceShape, ...]
    observations: dict[str, JsonValue] | None


class CreateChatRequest(Shape):
    """A chat to make. With `parent_id` it is a sub-chat, born with its parent's exact snapshot.

    `tools` are carried out by whoever makes the chat; with `may_spawn` its model may start
    sub-chats; `role` is told to the model behind its context.
    """

    workspace_id: IdText
    title: TitleText | None = None
    parent_id: IdText | None = None
    snapshot: DigestText | None = None
    sources: tuple[str, ...] | None = None
    model: Annotated[str, Field(max_length=200), ONE_LINE] | None = None
    tools: tuple[ClientToolShape, ...] = ()
    may_spawn: bool = False
    role: Annotated[str, Field(max_length=limits.ROLE_BYTES_MAX)] | None = None


class UpdateChatRequest(Shape):
    """What to change of a chat; an absent field stays."""

    title: TitleText | None = None
    archived: bool | None = None
    policy: PolicyText | None = None


class ChatShape(ReplyShape):
    """A chat and, in short, what it runs on."""

    id: IdText
    workspace_id: IdText
    owner_id: IdText
    parent_id: IdText | None
    forked_from_id: IdText | None
    title: str
    model: str
    policy: str
    state: str
    error: str | None
    archived: bool
    may_spawn: bool = False
    role: str | None = None
    access: AccessText
    context: ContextShape
    created_at: InstantText
    updated_at: InstantText


class RefreshRequest(Shape):
    """Move the pin to the head. `to` is the head whose drift was shown; 412 if it has moved on.

    With `accept` only those sources are taken and the rest is held; with `hold` all but those is
    taken; with both, what neither names stays as it is. A turn that runs keeps the pin it began
    with; with `now` its next request has the new one. With `dry_run` nothing moves.
    """

    to: DigestText | None = None
    accept: SourcesText | None = None
    hold: SourcesText | None = None
    now: bool = False
    cascade: bool = False
    dry_run: bool = False


class ReleaseRequest(Shape):
    """Let go of the holds of these sources, or of all."""

    sources: SourcesText | None = None


class RollbackRequest(Shape):
    """Move the pin back to a snapshot from the chat's history; a dry run moves nothing."""

    to: DigestText
    dry_run: bool = False


class RebindRequest(Shape):
    """Bind the chat to another agent of its workspace; without one, to the current agent."""

    agent_id: IdText | None = None
    dry_run: bool = False


class ForkRequest(Shape):
    """Start a chat from the end of a turn, with the messages up to it and the pin of it."""

    turn: Annotated[int, Field(ge=0, le=limits.TURN_NUMBER_MAX)]
    title: TitleText | None = None


class ShareRequest(Shape):
    """Whom to share a chat with. Sharing it shows its `user:` files too."""

    user_id: IdText
    access: Literal["read", "update"]


class ShareShape(ReplyShape):
    """One share of a chat."""

    user_id: IdText
    user_name: str
    access: Literal["read", "update"]


class UseShape(ReplyShape):
    """A place in a chat's pin that names some bytes; `path` is empty for a source itself."""

    chat_id: IdText
    title: str
    source: str
    path: str


class ImportSnapshotRequest(Shape):
    """A snapshot that is not a head, with the bytes that the workspace does not have yet."""

    manifest: dict[str, JsonValue]
    digest: DigestText | None = None
    blobs: tuple[dict[str, str], ...] = ()


class EventShape(ReplyShape):
    """One event as a stream carries it in `data`; the cursor is the stream's `id`."""

    kind: str
    at: InstantText
    workspace_id: IdText | None
    chat_id: IdText | None
    agent_id: IdText | None
    payload: dict[str, JsonValue]


class WhoAmIShape(ReplyShape):
    """The caller, and what all its workspaces together may keep."""

    user: UserShape
    used_bytes_max: int | None = None


class ServerShape(ReplyShape):
    """The server: who it is and what it is ready for."""

    name: Literal["driftpin"]
    version: str
    api: Literal["v1"]
    protocols: tuple[int, ...]


__all__ = [
    "AgentShape",
    "ChatShape",
    "ContextShape",
    "CreateAgentRequest",
    "CreateChatRequest",
    "CreateTokenRequest",
    "CreateUserRequest",
    "CreateWorkspaceRequest",
    "CreatedAgentShape",
    "CreatedTokenShape",
    "EventShape",
    "ForkRequest",
    "FullContextShape",
    "ImportSnapshotRequest",
    "PageShape",
    "RebindRequest",
    "RefreshRequest",
    "ReleaseRequest",
    "ResourceShape",
    "RollbackRequest",
    "ServerShape",
    "ShareRequest",
    "ShareShape",
    "SnapshotShape",
    "TokenShape",
    "UpdateChatRequest",
    "UserShape",
    "WhoAmIShape",
    "WorkspaceContextShape",
    "WorkspaceShape",
]
