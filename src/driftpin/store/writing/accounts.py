"""Rows of users, tokens, workspaces and agents."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from driftpin.credentials import Credential, TokenKind
from driftpin.errors import Conflict
from driftpin.identity import AgentId, TokenId, UserId, WorkspaceId
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.reading.columns import policy_values
from driftpin.store.tables import agent_runs, agents, deployment, tokens, users, workspaces
from driftpin.store.values import JsonObject, Policy, PolicySet, TokenRow, UserRow, WorkspaceRow

# So many earlier runs of an agent are remembered, so that none of them comes back as a new one.
RUNS_KEPT = 100


async def insert_user(transaction: Transaction, name: str, *, is_administrator: bool) -> UserRow:
    """Add a user; raises Conflict (`name_taken`)."""
    user = UserRow(
        id=UserId(transaction.ids.fresh(transaction.now)),
        name=name,
        is_administrator=is_administrator,
        created_at=transaction.now,
    )
    try:
        await transaction.connection.execute(
            insert(users).values(
                id=user.id,
                name=user.name,
                is_administrator=user.is_administrator,
                created_at=user.created_at,
            )
        )
    except IntegrityError as failure:
        raise Conflict(f"There is a user {name!r} already.", code="name_taken") from failure
    return user


async def insert_token(
    transaction: Transaction,
    credential: Credential,
    subject: UserId | AgentId,
    *,
    label: str,
    expires_at: datetime | None,
) -> TokenRow:
    """Add a token for a user or an agent, as the credential's kind says."""
    is_user = credential.kind is not TokenKind.AGENT
    token = TokenRow(
        id=TokenId(transaction.ids.fresh(transaction.now)),
        kind=credential.kind,
        user_id=UserId(subject) if is_user else None,
        agent_id=None if is_user else AgentId(subject),
        label=label,
        created_at=transaction.now,
        expires_at=expires_at,
        revoked_at=None,
    )
    await transaction.connection.execute(
        insert(tokens).values(
            id=token.id,
            kind=token.kind.value,
            user_id=token.user_id,
            agent_id=token.agent_id,
            secret_digest=credential.secret_digest,
            label=label,
            created_at=token.created_at,
            expires_at=expires_at,
        )
    )
    return token


async def revoke_token_row(transaction: Transaction, token_id: TokenId) -> None:
    """Mark the token as revoked, unless it is already."""
    await transaction.connection.execute(
        update(tokens)
        .where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
        .values(revoked_at=transaction.now)
    )


async def expire_agent_tokens(
    transaction: Transaction, agent_id: AgentId, expires_at: datetime
) -> None:
    """Let every token of the agent end then, if it would not end earlier."""
    is_later = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > expires_at)
    await transaction.connection.execute(
        update(tokens)
        .where(tokens.c.agent_id == agent_id, tokens.c.revoked_at.is_(None), is_later)
        .values(expires_at=expires_at)
    )


async def insert_workspace(transaction: Transaction, owner_id: UserId, name: str) -> WorkspaceRow:
    """Add a workspace without agents."""
    workspace = WorkspaceRow(
        id=WorkspaceId(transaction.ids.fresh(transaction.now)),
        owner_id=owner_id,
        name=name,
        current_agent_id=None,
        created_at=transaction.now,
        deleted_at=None,
        head=None,
    )
    await transaction.connection.execute(
        insert(workspaces).values(
            id=workspace.id,
            owner_id=owner_id,
            name=name,
            policy=Policy.PIN,
            created_at=transaction.now,
        )
    )
    return workspace


async def set_policies_of_workspace(
    transaction: Transaction, workspace_id: WorkspaceId, policies: PolicySet
) -> None:
    """Set what the chats of the workspace do by themselves where they set nothing."""
    await transaction.connection.execute(
        update(workspaces).where(workspaces.c.id == workspace_id).values(**policy_values(policies))
    )


async def mark_workspace_deleted(transaction: Transaction, workspace_id: WorkspaceId) -> None:
    """Delete the workspace and its agents for everybody; what chats have pinned stays."""
    await transaction.connection.execute(
        update(workspaces).where(workspaces.c.id == workspace_id).values(deleted_at=transaction.now)
    )
    await transaction.connection.execute(
        update(agents)
        .where(agents.c.workspace_id == workspace_id, agents.c.deleted_at.is_(None))
        .values(deleted_at=transaction.now)
    )


async def insert_agent(transaction: Transaction, workspace_id: WorkspaceId, name: str) -> AgentId:
    """Add an agent that has never said hello; it replaces nobody."""
    agent_id = AgentId(transaction.ids.fresh(transaction.now))
    await transaction.connection.execute(
        insert(agents).values(
            id=agent_id,
            workspace_id=workspace_id,
            name=name,
            created_at=transaction.now,
            incarnation=0,
            head_incarnation=0,
            head_seq=0,
        )
    )
    return agent_id


async def mark_agent_deleted(transaction: Transaction, agent_id: AgentId) -> None:
    """Delete the agent; pins and chats go on naming it."""
    await _update_agent(transaction, agent_id, deleted_at=transaction.now)


async def find_run_incarnation(
    transaction: Transaction, agent_id: AgentId, run_id: str
) -> int | None:
    """Return the incarnation that this run of the agent was given, if it was given one."""
    statement = select(agent_runs.c.incarnation).where(
        agent_runs.c.agent_id == agent_id, agent_runs.c.run_id == run_id
    )
    found: int | None = (await transaction.connection.execute(statement)).scalar_one_or_none()
    return found


async def begin_run(
    transaction: Transaction,
    agent_id: AgentId,
    run_id: str,
    incarnation: int,
    *,
    takes_over: bool,
) -> None:
    """Make the run the agent's newest, under the agent's lock.

    It `takes_over` when the one before it may be alive.
    """
    await transaction.connection.execute(
        delete(agent_runs).where(
            agent_runs.c.agent_id == agent_id,
            agent_runs.c.incarnation <= incarnation - RUNS_KEPT,
        )
    )
    await transaction.connection.execute(
        insert(agent_runs).values(
            agent_id=agent_id,
            run_id=run_id,
            incarnation=incarnation,
            took_over_at=transaction.now if takes_over else None,
        )
    )
    await _update_agent(transaction, agent_id, run_id=run_id, incarnation=incarnation)


async def count_take_overs(transaction: Transaction, agent_id: AgentId, since: datetime) -> int:
    """Return how often a run of the agent took over from a live one since then."""
    statement = select(func.count()).where(
        agent_runs.c.agent_id == agent_id, agent_runs.c.took_over_at >= since
    )
    return int((await transaction.connection.execute(statement)).scalar_one())


async def keep_agent_locked(
    transaction: Transaction, agent_id: AgentId, locked_at: datetime | None
) -> None:
    """Note since when the agent is locked; with None it is not, and its past does not count."""
    await _update_agent(transaction, agent_id, locked_at=locked_at)
    if locked_at is None:
        await transaction.connection.execute(
            update(agent_runs).where(agent_runs.c.agent_id == agent_id).values(took_over_at=None)
        )


async def keep_hello(transaction: Transaction, agent_id: AgentId, hello: JsonObject) -> None:
    """Keep what the agent said of itself."""
    await _update_agent(
        transaction,
        agent_id,
        hello=json.dumps(hello, sort_keys=True),
        hello_at=transaction.now,
        seen_at=transaction.now,
    )


async def keep_fact_once(transaction: Transaction, name: str, content: str) -> str:
    """Keep a fact about the deployment unless it is kept already; return what is kept."""
    connection = transaction.connection
    offered = {"name": name, "content": content}
    await dialect_of(connection).insert_rows(connection, deployment, [offered])
    statement = select(deployment.c.content).where(deployment.c.name == name)
    kept: str = (await connection.execute(statement)).scalar_one()
    return kept


async def put_fact(transaction: Transaction, name: str, content: str) -> None:
    """Keep a fact about the deployment in place of what was kept."""
    changed = await transaction.connection.execute(
        update(deployment).where(deployment.c.name == name).values(content=content)
    )
    if changed.rowcount == 0:
        await keep_fact_once(transaction, name, content)


async def _update_agent(transaction: Transaction, agent_id: AgentId, **values: Any) -> None:
    await transaction.connection.execute(
        update(agents).where(agents.c.id == agent_id).values(**values)
    )


__all__ = [
    "begin_run",
    "count_take_overs",
    "expire_agent_tokens",
    "find_run_incarnation",
    "insert_agent",
    "insert_token",
    "insert_user",
    "insert_workspace",
    "keep_agent_locked",
    "keep_fact_once",
    "keep_hello",
    "mark_agent_deleted",
    "mark_workspace_deleted",
    "put_fact",
    "revoke_token_row",
    "set_policies_of_workspace",
]
