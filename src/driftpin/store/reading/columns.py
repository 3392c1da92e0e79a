"""Columns that several statements select, and the values that are made of them."""

import json
from typing import Any, Final

from sqlalchemy import ColumnElement, Label, Row
from sqlalchemy.sql.selectable import NamedFromClause

from driftpin.chat.states import ChatState
from driftpin.context.resource import Kind
from driftpin.credentials import TokenKind
from driftpin.store.tables import agent_links, agents, snapshots
from driftpin.store.values import (
    AgentRow,
    ChatRow,
    JsonObject,
    MessageRow,
    Policy,
    PolicySet,
    SnapshotRef,
    TokenRow,
    TurnRow,
    TurnState,
    UserRow,
    WorkspaceRow,
)


def snapshot_alias(name: str) -> NamedFromClause[Any]:
    """Return `snapshots` under a name, for `snapshot_columns` and `snapshot_from`."""
    return snapshots.alias(name)


HEAD: Final = snapshot_alias("head")


def snapshot_columns(alias: NamedFromClause[Any]) -> tuple[Label[Any], ...]:
    """Return the columns of a SnapshotRef, labelled with the alias's name."""
    names = ("id", "digest", "prompt_digest", "tools_digest", "has_holes")
    return tuple(alias.c[name].label(f"{alias.name}_{name}") for name in names)


def snapshot_from(row: Row[Any], alias: NamedFromClause[Any]) -> SnapshotRef | None:
    """Return the snapshot that an outer join found, if it found one."""
    found = row._mapping  # noqa: SLF001 SQLAlchemy's public name for a row's mapping
    if found[f"{alias.name}_id"] is None:
        return None
    return SnapshotRef(
        id=found[f"{alias.name}_id"],
        digest=found[f"{alias.name}_digest"],
        prompt_digest=found[f"{alias.name}_prompt_digest"],
        tools_digest=found[f"{alias.name}_tools_digest"],
        has_holes=found[f"{alias.name}_has_holes"],
    )


def agent_columns(is_connected: ColumnElement[bool]) -> tuple[ColumnElement[Any], ...]:
    """Return the columns of an AgentRow; its head is to be joined as `HEAD`, its link besides."""
    own = tuple(column for column in agents.c if column is not agents.c.head_id)
    linked = (agent_links.c.seen_at.label("linked_at"), is_connected.label("is_connected"))
    return (*own, *snapshot_columns(HEAD), *linked)


def chat_from(row: Row[Any]) -> ChatRow:
    """Return the chat of a row that selected all columns of `chats` under their own names."""
    return ChatRow(
        id=row.id,
        workspace_id=row.workspace_id,
        owner_id=row.owner_id,
        parent_id=row.parent_id,
        forked_from_id=row.forked_from_id,
        title=row.title,
        model=row.model,
        policies=policy_set_from(row.policy, row.kind_policies),
        state=ChatState(row.state),
        error=row.error,
        created_at=row.created_at,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
        may_spawn=row.may_spawn,
        role=row.role or "",
    )


def policy_set_from(policy: str | None, kinds: str | None) -> PolicySet:
    """Return what is set in one place, from its two columns."""
    return PolicySet(
        None if policy is None else Policy(policy),
        {Kind(kind): Policy(name) for kind, name in json.loads(kinds or "{}").items()},
    )


def policy_values(policies: PolicySet) -> dict[str, str | None]:
    """Return the two columns of what is set in one place."""
    kinds = {kind.value: policy.value for kind, policy in policies.kinds.items()}
    return {
        "policy": None if policies.policy is None else policies.policy.value,
        "kind_policies": json.dumps(kinds, sort_keys=True) if kinds else None,
    }


def message_from(row: Row[Any]) -> MessageRow:
    """Return the message of a row of `messages`."""
    return MessageRow(
        id=row.id,
        chat_id=row.chat_id,
        position=row.position,
        turn=row.turn,
        role=row.role,
        content=json.loads(row.content),
        created_at=row.created_at,
    )


def turn_from(row: Row[Any]) -> TurnRow:
    """Return the turn of a row of `turns` with its snapshot's digest as `snapshot_digest`."""
    return TurnRow(
        chat_id=row.chat_id,
        number=row.number,
        state=TurnState(row.state),
        holder=row.holder,
        fence=row.fence,
        lease_until=row.lease_until,
        attempt=row.attempt,
        error=row.error,
        # A copied turn has none of this chat's revisions, and 0 says that it had another's.
        pin_revision=row.pin_revision or None,
        snapshot_digest=row.snapshot_digest,
        created_at=row.created_at,
        finished_at=row.finished_at,
        replaced_by=row.replaced_by,
    )


def user_from(row: Row[Any]) -> UserRow:
    """Return the user of a row of `users`."""
    return UserRow(
        id=row.id, name=row.name, is_administrator=row.is_administrator, created_at=row.created_at
    )


def token_from(row: Row[Any]) -> TokenRow:
    """Return the token of a row of `tokens`."""
    return TokenRow(
        id=row.id,
        kind=TokenKind(row.kind),
        user_id=row.user_id,
        agent_id=row.agent_id,
        label=row.label,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def workspace_from(row: Row[Any]) -> WorkspaceRow:
    """Return the workspace of a row of `workspaces` with its head as `head_…`."""
    return WorkspaceRow(
        id=row.id,
        owner_id=row.owner_id,
        name=row.name,
        current_agent_id=row.current_agent_id,
        created_at=row.created_at,
        deleted_at=row.deleted_at,
        head=snapshot_from(row, HEAD),
        used_bytes=row.used_bytes or 0,
        policies=policy_set_from(row.policy, row.kind_policies),
    )


def agent_from(row: Row[Any]) -> AgentRow:
    """Return the agent of a row of `agent_columns`."""
    seen = [instant for instant in (row.seen_at, row.linked_at) if instant is not None]
    return AgentRow(
        id=row.id,
        workspace_id=row.workspace_id,
        name=row.name,
        created_at=row.created_at,
        deleted_at=row.deleted_at,
        run_id=row.run_id,
        incarnation=row.incarnation,
        hello=object_from(row.hello),
        hello_at=row.hello_at,
        head=snapshot_from(row, HEAD),
        head_incarnation=row.head_incarnation,
        head_seq=row.head_seq,
        head_at=row.head_at,
        observations=object_from(row.observations),
        seen_at=max(seen, default=None),
        is_connected=bool(row.is_connected),
        locked_at=row.locked_at,
    )


def object_from(text: str | None) -> JsonObject | None:
    """Return the stored JSON object, if there is one."""
    if text is None:
        return None
    parsed: JsonObject = json.loads(text)
    return parsed


__all__ = [
    "HEAD",
    "agent_columns",
    "agent_from",
    "chat_from",
    "message_from",
    "object_from",
    "policy_set_from",
    "policy_values",
    "snapshot_alias",
    "snapshot_columns",
    "snapshot_from",
    "token_from",
    "turn_from",
    "user_from",
    "workspace_from",
]
