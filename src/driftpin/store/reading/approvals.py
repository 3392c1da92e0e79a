"""Decisions about MCP servers, for those who may see the workspace, and for its agents."""

from sqlalchemy import Row, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.identity import Actor, WorkspaceId
from driftpin.store.access import require_agent, visible_workspaces
from driftpin.store.approval_values import DecidedServer, Decision
from driftpin.store.reading.accounts import get_workspace
from driftpin.store.tables import approvals, workspaces


async def list_approvals(
    connection: AsyncConnection, actor: Actor, workspace_id: WorkspaceId
) -> tuple[DecidedServer, ...]:
    """Return every decision of a workspace, by identity."""
    await get_workspace(connection, actor, workspace_id)
    statement = (
        select(approvals)
        .join(workspaces, workspaces.c.id == approvals.c.workspace_id)
        .where(approvals.c.workspace_id == workspace_id, visible_workspaces(actor))
        .order_by(approvals.c.identity)
    )
    return tuple(_decided(row) for row in await connection.execute(statement))


async def list_allowed_servers(connection: AsyncConnection, actor: Actor) -> tuple[Decision, ...]:
    """Return what the acting agent's workspace allows, by identity."""
    require_agent(actor)
    statement = (
        select(approvals)
        .join(workspaces, workspaces.c.id == approvals.c.workspace_id)
        .where(
            visible_workspaces(actor),
            workspaces.c.deleted_at.is_(None),
            approvals.c.is_allowed == literal(True, approvals.c.is_allowed.type),  # noqa: FBT003 a value of the column
        )
        .order_by(approvals.c.identity)
    )
    return tuple(_decided(row).decision for row in await connection.execute(statement))


def _decided(row: Row[tuple[object, ...]]) -> DecidedServer:
    decision = Decision(
        identity=row.identity,
        is_allowed=row.is_allowed,
        keyed_digest=row.keyed_digest,
        allows_private=row.allows_private,
    )
    return DecidedServer(decision, row.actor, row.at)


__all__ = ["list_allowed_servers", "list_approvals"]
