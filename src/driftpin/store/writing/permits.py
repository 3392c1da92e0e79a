"""What an operation asks first: may this actor do this, and to what row as it is now.

What the actor may not see is NotFound; what it sees and may not do is Forbidden. An administrator
who acts on somebody else's things leaves a row in the audit, in the same transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, assert_never

from sqlalchemy import Row, Select, Table, bindparam, select

from driftpin.errors import NotFound
from driftpin.identity import Actor, AgentId, ChatId, UserId, WorkspaceId
from driftpin.store.access import (
    KINDS_OF_ACTORS,
    access_to_chat,
    acting,
    alike,
    require_access,
    visible_agents,
    visible_chats,
    visible_workspaces,
)
from driftpin.store.database import Transaction
from driftpin.store.reading.columns import chat_from, policy_set_from
from driftpin.store.tables import agents, chats, workspaces
from driftpin.store.values import Access, ChatRow, PolicySet
from driftpin.store.writing.audit import record_audit


class Lock(StrEnum):
    """How long the row that was looked at must stay as it is."""

    NONE = "none"
    SHARED = "shared"
    EXCLUSIVE = "exclusive"


STATEMENTS_KEPT_MAX: Final = KINDS_OF_ACTORS * len(Lock)


@dataclass(frozen=True, slots=True)
class PermittedWorkspace:
    """A workspace as it is now."""

    id: WorkspaceId
    owner_id: UserId
    current_agent_id: AgentId | None
    policies: PolicySet


@dataclass(frozen=True, slots=True)
class PermittedAgent:
    """An agent as it is now, with the owner of its workspace."""

    id: AgentId
    workspace_id: WorkspaceId
    owner_id: UserId
    name: str
    incarnation: int
    locked_at: datetime | None


async def permit_on_chat(
    transaction: Transaction,
    actor: Actor,
    chat_id: ChatId,
    needed: Access,
    *,
    action: str,
    lock: Lock = Lock.NONE,
) -> ChatRow:
    """Return the chat if the actor has this access to it."""
    chat = await check_on_chat(transaction, actor, chat_id, needed, lock=lock)
    await audit_administrator(transaction, actor, chat.owner_id, action, f"chat:{chat_id}")
    return chat


async def check_on_chat(
    transaction: Transaction,
    actor: Actor,
    chat_id: ChatId,
    needed: Access,
    *,
    lock: Lock = Lock.NONE,
) -> ChatRow:
    """Return the same, and leave nothing in the audit: for a look before the lock of its pin.

    Whoever may not touch a chat must not make others wait for it either.
    """
    asked = {"its_chat_id": chat_id, **acting(actor)}
    row = await _only_row(transaction, _on_chat(alike(actor), lock), asked)
    require_access(Access(row.access), needed)
    return chat_from(row)


async def permit_on_workspace(
    transaction: Transaction,
    actor: Actor,
    workspace_id: WorkspaceId,
    *,
    action: str,
    lock: Lock = Lock.NONE,
) -> PermittedWorkspace:
    """Return a workspace that the actor may see and that was not deleted."""
    asked = {"its_workspace_id": workspace_id, **acting(actor)}
    row = await _only_row(transaction, _on_workspace(alike(actor), lock), asked)
    await audit_administrator(transaction, actor, row.owner_id, action, f"workspace:{workspace_id}")
    policies = policy_set_from(row.policy, row.kind_policies)
    return PermittedWorkspace(row.id, row.owner_id, row.current_agent_id, policies)


async def permit_on_agent(
    transaction: Transaction,
    actor: Actor,
    agent_id: AgentId,
    *,
    action: str,
    lock: Lock = Lock.NONE,
) -> PermittedAgent:
    """Return an agent that the actor may see and that was not deleted."""
    statement = (
        select(agents, workspaces.c.owner_id)
        .join(workspaces, workspaces.c.id == agents.c.workspace_id)
        .where(agents.c.id == agent_id, agents.c.deleted_at.is_(None), visible_agents(actor))
    )
    row = await _only_row(transaction, _locked(statement, agents, lock))
    await audit_administrator(transaction, actor, row.owner_id, action, f"agent:{agent_id}")
    return PermittedAgent(
        id=row.id,
        workspace_id=row.workspace_id,
        owner_id=row.owner_id,
        name=row.name,
        incarnation=row.incarnation,
        locked_at=row.locked_at,
    )


@lru_cache(maxsize=STATEMENTS_KEPT_MAX)
def _on_chat(actor: Actor, lock: Lock) -> Select[Any]:
    statement = select(chats, access_to_chat(actor).label("access")).where(
        chats.c.id == bindparam("its_chat_id", type_=chats.c.id.type), visible_chats(actor)
    )
    return _locked(statement, chats, lock)


@lru_cache(maxsize=STATEMENTS_KEPT_MAX)
def _on_workspace(actor: Actor, lock: Lock) -> Select[Any]:
    statement = select(workspaces).where(
        workspaces.c.id == bindparam("its_workspace_id", type_=workspaces.c.id.type),
        workspaces.c.deleted_at.is_(None),
        visible_workspaces(actor),
    )
    return _locked(statement, workspaces, lock)


def _locked(statement: Select[Any], table: Table, lock: Lock) -> Select[Any]:
    match lock:
        case Lock.NONE:
            return statement
        case Lock.SHARED:
            return statement.with_for_update(read=True, of=table)
        case Lock.EXCLUSIVE:
            return statement.with_for_update(of=table, key_share=True)
        case _:
            assert_never(lock)


async def _only_row(
    transaction: Transaction, statement: Select[Any], asked: Mapping[str, Any] | None = None
) -> Row[Any]:
    row: Row[Any] | None = (await transaction.connection.execute(statement, asked)).first()
    if row is None:
        raise NotFound
    return row


async def audit_administrator(
    transaction: Transaction, actor: Actor, owner_id: str, action: str, subject: str
) -> None:
    """Leave a row if an administrator acts on what another user owns."""
    if actor.is_administrator and actor.user_id != owner_id:
        await record_audit(transaction, actor, action, subject)


__all__ = [
    "Lock",
    "PermittedAgent",
    "PermittedWorkspace",
    "audit_administrator",
    "check_on_chat",
    "permit_on_agent",
    "permit_on_chat",
    "permit_on_workspace",
]
