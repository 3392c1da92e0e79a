"""From values of the store to shapes of the wire."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from starlette.responses import Response

from driftpin.context.manifest import resource_to_json, resources_of
from driftpin.context.resource import Resource, blobs_of
from driftpin.context.tokens import pieces_of
from driftpin.identity import Digest
from driftpin.store.receipt_values import ReceiptRow
from driftpin.store.turn_values import ToolCallRow
from driftpin.store.use_values import DigestUse
from driftpin.store.values import (
    AgentRow,
    ChatView,
    ContextSummary,
    MessageRow,
    Page,
    PinnedEntry,
    ShareRow,
    SnapshotRef,
    TokenRow,
    TurnRow,
    UserRow,
    WorkspaceRow,
)
from driftpin.wire import api
from driftpin.wire.receipts import ReceiptEntryShape
from driftpin.wire.turns import MessageShape, SentMessageShape, ToolCallShape, TurnShape

Row = TypeVar("Row")
ItemShape = TypeVar("ItemShape", bound=BaseModel)

JSON_MEDIA_TYPE: Final = "application/json"


def reply(
    shape: BaseModel, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the shape as a response; it is written once and not checked again."""
    return Response(
        shape.model_dump_json(by_alias=True),
        status_code=status,
        headers=headers,
        media_type=JSON_MEDIA_TYPE,
    )


def page_shape(
    page: Page[Row], shape_of: Callable[[Row], ItemShape], cursor: str | None
) -> api.PageShape[ItemShape]:
    """Return a page with its sealed cursor."""
    return api.PageShape(items=tuple(shape_of(row) for row in page.items), next=cursor)


def user_shape(row: UserRow) -> api.UserShape:
    """Return a user."""
    return api.UserShape(
        id=row.id,
        name=row.name,
        is_administrator=row.is_administrator,
        created_at=row.created_at,
    )


def token_fields(row: TokenRow) -> dict[str, Any]:
    """Return the fields that every shape of a token has."""
    return {
        "id": row.id,
        "kind": row.kind.value,
        "label": row.label,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
    }


def snapshot_shape(snapshot: SnapshotRef | None) -> api.SnapshotShape | None:
    """Return a snapshot by its digests."""
    if snapshot is None:
        return None
    return api.SnapshotShape(
        digest=snapshot.digest,
        prompt_digest=snapshot.prompt_digest,
        tools_digest=snapshot.tools_digest,
    )


def workspace_shape(row: WorkspaceRow, used_bytes_max: int | None = None) -> api.WorkspaceShape:
    """Return a workspace."""
    return api.WorkspaceShape(
        id=row.id,
        owner_id=row.owner_id,
        name=row.name,
        current_agent_id=row.current_agent_id,
        head=snapshot_shape(row.head),
        created_at=row.created_at,
        used_bytes=row.used_bytes,
        used_bytes_max=used_bytes_max,
    )


def workspace_context_shape(
    agent: AgentRow | None, resources: tuple[api.ResourceShape, ...]
) -> api.WorkspaceContextShape:
    """Return the head of a workspace's current agent; all null before there is one."""
    head = None if agent is None else agent.head
    return api.WorkspaceContextShape(
        agent_id=None if agent is None else agent.id,
        snapshot=None if head is None else head.digest,
        prompt_digest=None if head is None else head.prompt_digest,
        tools_digest=None if head is None else head.tools_digest,
        accepted_at=None if agent is None else agent.head_at,
        resources=resources,
        observations=None if agent is None else agent.observations,
    )


def agent_fields(row: AgentRow, *, is_current: bool) -> dict[str, Any]:
    """Return the fields that every shape of an agent has."""
    return {
        "id": row.id,
        "workspace_id": row.workspace_id,
        "name": row.name,
        "incarnation": row.incarnation,
        "head": snapshot_shape(row.head),
        "head_seq": row.head_seq,
        "head_at": row.head_at,
        "seen_at": row.seen_at,
        "locked_at": row.locked_at,
        "is_connected": row.is_connected,
        "is_current": is_current,
        "hello": row.hello,
        "observations": row.observations,
        "created_at": row.created_at,
    }


def digest_in(snapshot: SnapshotRef | None) -> Digest | None:
    """Return a snapshot's digest, None for none."""
    return None if snapshot is None else snapshot.digest


def context_fields(context: ContextSummary) -> dict[str, Any]:
    """Return the fields that every shape of a chat's context has."""
    snapshot = context.snapshot
    return {
        "snapshot": digest_in(snapshot),
        "prompt_digest": None if snapshot is None else snapshot.prompt_digest,
        "tools_digest": None if snapshot is None else snapshot.tools_digest,
        "revision": context.revision,
        "pinned_at": context.pinned_at,
        "agent_id": context.agent_id,
        "head": digest_in(context.head),
        "complete": context.complete,
        "dirty": context.dirty,
        "dirty_since": context.dirty_since,
        "severity": None if context.severity is None else context.severity.value,
        "held": context.held,
        "error": context.error,
        "badge": context.has_badge,
        "policy_blocked": context.is_blocked,
    }


def context_shape(context: ContextSummary) -> api.ContextShape:
    """Return what a chat runs on, in short."""
    return api.ContextShape(**context_fields(context))


def chat_shape(view: ChatView) -> api.ChatShape:
    """Return a chat as its caller sees it."""
    chat = view.chat
    return api.ChatShape(
        id=chat.id,
        workspace_id=chat.workspace_id,
        owner_id=chat.owner_id,
        parent_id=chat.parent_id,
        forked_from_id=chat.forked_from_id,
        title=chat.title,
        model=chat.model,
        policy=view.context.policies.general.value,
        state=chat.state,
        error=chat.error,
        archived=chat.archived_at is not None,
        may_spawn=chat.may_spawn,
        role=chat.role or None,
        access=view.access.value,
        context=context_shape(view.context),
        created_at=chat.created_at,
        updated_at=chat.updated_at,
    )


def resource_shapes(
    manifest: bytes | None, entries: Iterable[PinnedEntry]
) -> tuple[api.ResourceShape, ...]:
    """Return every listed resource with the size of what it pins and its tokens in a prompt."""
    lines = {entry.digest: entry for entry in entries if entry.digest is not None}
    listed = () if manifest is None else resources_of(manifest)
    return tuple(_resource_shape(resource, lines) for resource in listed)


def _resource_shape(resource: Resource, lines: Mapping[Digest, PinnedEntry]) -> api.ResourceShape:
    def tokens_of(digest: Digest) -> int:
        return lines[digest].tokens or 0

    pinned = [lines[blob.digest].size_bytes or 0 for blob in blobs_of(resource)]
    counted = [piece.tokens for piece in pieces_of(resource, tokens_of)]
    written: dict[str, Any] = resource_to_json(resource)
    return api.ResourceShape(
        kind=resource.kind.value,
        source=resource.source,
        status=resource.status.value,
        reason=resource.reason,
        digest=written.get("digest") or written.get("identity"),
        size_bytes=sum(pinned) if pinned else None,
        tokens=None if resource.body is None else sum(counted),
        name=written.get("name"),
        description=written.get("description"),
        files=written.get("files"),
    )


def message_shape(row: MessageRow) -> MessageShape:
    """Return one message."""
    return MessageShape(
        id=row.id,
        position=row.position,
        turn=row.turn,
        role=row.role,
        content=row.content,
        created_at=row.created_at,
    )


def turn_shape(row: TurnRow) -> TurnShape:
    """Return one turn."""
    return TurnShape(
        number=row.number,
        state=row.state,
        attempt=row.attempt,
        error=row.error,
        snapshot=row.snapshot_digest,
        pin_revision=row.pin_revision,
        replaced_by=row.replaced_by,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def call_shape(row: ToolCallRow) -> ToolCallShape:
    """Return one call of a turn."""
    return ToolCallShape(
        call_id=row.call_id,
        name=row.name,
        arguments=row.arguments,
        state=row.state.value,
        outcome=row.outcome,
        sub_chat_id=row.sub_chat_id,
        asked=row.is_asked,
    )


def sent_shape(stored: tuple[MessageRow, TurnRow]) -> SentMessageShape:
    """Return a message that was stored with its turn."""
    message, turn = stored
    return SentMessageShape(message=message_shape(message), turn=turn_shape(turn))


def receipt_shape(row: ReceiptRow) -> ReceiptEntryShape:
    """Return one entry of a receipt."""
    return ReceiptEntryShape(
        number=row.number,
        turn=row.turn,
        digest=row.digest,
        previous_digest=row.previous_digest,
        content=row.content,
        at=row.at,
    )


def use_shape(use: DigestUse) -> api.UseShape:
    """Return one place that names some bytes."""
    return api.UseShape(chat_id=use.chat_id, title=use.title, source=use.source, path=use.path)


def share_shape(row: ShareRow) -> api.ShareShape:
    """Return one share of a chat."""
    return api.ShareShape.model_validate(
        {"user_id": row.user_id, "user_name": row.user_name, "access": row.access.value}
    )


def etag_of(context: ContextSummary, epoch: int) -> str:
    """Return the tag of a chat's context: revision and the first digits of what is pinned.

    It carries the restore epoch, since after a restore revisions count from an older one again.
    """
    digest = "none" if context.snapshot is None else context.snapshot.digest[7:19]
    return f'"{epoch}-{context.revision}-{digest}"'


__all__ = [
    "agent_fields",
    "call_shape",
    "chat_shape",
    "context_fields",
    "context_shape",
    "digest_in",
    "etag_of",
    "message_shape",
    "page_shape",
    "receipt_shape",
    "reply",
    "resource_shapes",
    "sent_shape",
    "share_shape",
    "snapshot_shape",
    "token_fields",
    "turn_shape",
    "use_shape",
    "user_shape",
    "workspace_context_shape",
    "workspace_shape",
]
