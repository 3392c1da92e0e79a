"""Users, tokens, workspaces and agents, as their callers may see them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, and_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.credentials import TokenKind
from driftpin.errors import Gone, NotFound, Unauthenticated
from driftpin.identity import (
    Actor,
    AgentId,
    Digest,
    TokenId,
    UserId,
    WorkspaceId,
    agent_actor,
    user_actor,
)
from driftpin.store.access import (
    Predicate,
    require_worker,
    visible_agents,
    visible_tokens,
    visible_users,
    visible_workspaces,
)
from driftpin.store.account_values import UserPassword
from driftpin.store.dialects import dialect_of
from driftpin.store.reading.columns import (
    HEAD,
    agent_columns,
    agent_from,
    snapshot_columns,
    token_from,
    user_from,
    workspace_from,
)
from driftpin.store.reading.paging import page_of, read_id_cursor
from driftpin.store.tables import (
    agent_links,
    agents,
    deployment,
    passwords,
    tokens,
    users,
    workspace_usage,
    workspaces,
)
from driftpin.store.values import AgentRow, Page, TokenRow, UserRow, WorkspaceRow

_TOKENS: Final = (
    select(
        tokens,
        users.c.is_administrator,
        agents.c.workspace_id,
        agents.c.deleted_at.label("agent_deleted_at"),
    )
    .outerjoin(users, users.c.id == tokens.c.user_id)
    .outerjoin(agents, agents.c.id == tokens.c.agent_id)
    .where(tokens.c.kind != TokenKind.LINK.value)
)
_TOKEN: Final = _TOKENS.where(
    tokens.c.secret_digest == bindparam("secret_digest", type_=tokens.c.secret_digest.type)
)
_SOME_TOKENS: Final = _TOKENS.where(
    tokens.c.secret_digest.in_(bindparam("secret_digests", expanding=True))
)


async def resolve_token(
    connection: AsyncConnection, _actor: Actor, secret_digest: Digest, now: datetime
) -> Actor:
    """Return whom the token signs in; anybody may ask who holds the secret."""
    row = (await connection.execute(_TOKEN, {"secret_digest": secret_digest})).first()
    if row is not None and row.agent_deleted_at is not None:
        raise Gone("This agent was deleted; enrol it again.", code="agent_gone")
    if row is None or not _is_good(row, now):
        raise Unauthenticated
    return _signed_in(row)


async def resolve_tokens(
    connection: AsyncConnection, _actor: Actor, secret_digests: Collection[Digest], now: datetime
) -> dict[Digest, Actor]:
    """Return whom those of the tokens sign in that are good; for whoever holds the secrets."""
    found = await connection.execute(_SOME_TOKENS, {"secret_digests": list(secret_digests)})
    return {
        row.secret_digest: _signed_in(row)
        for row in found
        if row.agent_deleted_at is None and _is_good(row, now)
    }


def _is_good(row: Row[Any], now: datetime) -> bool:
    is_over = row.expires_at is not None and row.expires_at <= now
    return row.revoked_at is None and not is_over


def _signed_in(row: Row[Any]) -> Actor:
    if row.user_id is not None:
        return user_actor(row.user_id, is_administrator=row.is_administrator)
    return agent_actor(row.agent_id, row.workspace_id)


async def get_user(connection: AsyncConnection, actor: Actor, user_id: UserId) -> UserRow:
    """Return the user, if the actor may see it."""
    statement = select(users).where(users.c.id == user_id, visible_users(actor))
    row = (await connection.execute(statement)).first()
    if row is None:
        raise NotFound
    return user_from(row)


async def find_password(
    connection: AsyncConnection, actor: Actor, name: str
) -> UserPassword | None:
    """Return the user of this name with what is kept of its password; None without such a user."""
    require_worker(actor)
    statement = (
        select(users, passwords.c.password_hash)
        .outerjoin(passwords, passwords.c.user_id == users.c.id)
        .where(users.c.name == name)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else UserPassword(user_from(row), row.password_hash)


async def list_users(
    connection: AsyncConnection, actor: Actor, *, after: str | None, limit: int
) -> Page[UserRow]:
    """Return the users that the actor may see, in order of their ids."""
    statement = select(users).where(visible_users(actor)).order_by(users.c.id).limit(limit + 1)
    if after is not None:
        statement = statement.where(users.c.id > read_id_cursor(after))
    found = [user_from(row) for row in await connection.execute(statement)]
    return page_of(found, limit, lambda user: user.id)


async def list_tokens(connection: AsyncConnection, actor: Actor) -> tuple[TokenRow, ...]:
    """Return the tokens that the actor may revoke, oldest first."""
    statement = select(tokens).where(visible_tokens(actor)).order_by(tokens.c.id)
    return tuple(token_from(row) for row in await connection.execute(statement))


async def find_token(
    connection: AsyncConnection, token_id: TokenId, is_permitted: Predicate
) -> TokenRow | None:
    """Return the token, if it is one of the permitted ones."""
    statement = select(tokens).where(tokens.c.id == token_id, is_permitted)
    row = (await connection.execute(statement)).first()
    return None if row is None else token_from(row)


async def get_workspace(
    connection: AsyncConnection, actor: Actor, workspace_id: WorkspaceId
) -> WorkspaceRow:
    """Return the workspace, unless it was deleted."""
    statement = _workspaces_seen_by(actor).where(workspaces.c.id == workspace_id)
    row = (await connection.execute(statement)).first()
    if row is None:
        raise NotFound
    return workspace_from(row)


async def list_workspaces(
    connection: AsyncConnection, actor: Actor, *, after: str | None, limit: int
) -> Page[WorkspaceRow]:
    """Return the workspaces that the actor may see, in order of their ids."""
    statement = _workspaces_seen_by(actor).order_by(workspaces.c.id).limit(limit + 1)
    if after is not None:
        statement = statement.where(workspaces.c.id > read_id_cursor(after))
    found = [workspace_from(row) for row in await connection.execute(statement)]
    return page_of(found, limit, lambda workspace: workspace.id)


async def list_agents(
    connection: AsyncConnection, actor: Actor, workspace_id: WorkspaceId
) -> tuple[AgentRow, ...]:
    """Return the agents of a workspace that the actor may see."""
    await get_workspace(connection, actor, workspace_id)
    statement = (
        _agents_seen_by(connection, actor)
        .where(agents.c.workspace_id == workspace_id, agents.c.deleted_at.is_(None))
        .order_by(agents.c.id)
    )
    return tuple(agent_from(row) for row in await connection.execute(statement))


async def get_agent(connection: AsyncConnection, actor: Actor, agent_id: AgentId) -> AgentRow:
    """Return the agent, deleted or not."""
    statement = _agents_seen_by(connection, actor).where(agents.c.id == agent_id)
    row = (await connection.execute(statement)).first()
    if row is None:
        raise NotFound
    return agent_from(row)


async def get_deployment(connection: AsyncConnection, actor: Actor, name: str) -> str | None:
    """Return the fact's content, if it was ever kept."""
    require_worker(actor)
    statement = select(deployment.c.content).where(deployment.c.name == name)
    content: str | None = (await connection.execute(statement)).scalar_one_or_none()
    return content


def _workspaces_seen_by(actor: Actor) -> Select[Any]:
    is_alive = agents.c.deleted_at.is_(None)
    return (
        select(
            workspaces, workspace_usage.c.blob_bytes.label("used_bytes"), *snapshot_columns(HEAD)
        )
        .select_from(workspaces)
        .outerjoin(workspace_usage, workspace_usage.c.workspace_id == workspaces.c.id)
        .outerjoin(agents, and_(agents.c.id == workspaces.c.current_agent_id, is_alive))
        .outerjoin(HEAD, HEAD.c.id == agents.c.head_id)
        .where(visible_workspaces(actor), workspaces.c.deleted_at.is_(None))
    )


def _agents_seen_by(connection: AsyncConnection, actor: Actor) -> Select[Any]:
    is_connected = dialect_of(connection).is_held(agent_links.c.lease_until)
    return (
        select(*agent_columns(is_connected))
        .select_from(agents)
        .outerjoin(HEAD, HEAD.c.id == agents.c.head_id)
        .outerjoin(agent_links, agent_links.c.agent_id == agents.c.id)
        .where(visible_agents(actor))
    )


__all__ = [
    "find_password",
    "find_token",
    "get_agent",
    "get_deployment",
    "get_user",
    "get_workspace",
    "list_agents",
    "list_tokens",
    "list_users",
    "list_workspaces",
    "resolve_token",
    "resolve_tokens",
]
