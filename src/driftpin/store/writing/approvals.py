"""Rows of decisions about MCP servers."""

from sqlalchemy import delete, insert, select

from driftpin.identity import Actor, Digest, WorkspaceId
from driftpin.store.approval_values import Decision
from driftpin.store.database import Transaction
from driftpin.store.tables import approvals, blobs, snapshot_entries

LAUNCH_PATH = "launch"


async def find_launch(
    transaction: Transaction, workspace_id: WorkspaceId, identity: Digest
) -> bytes | None:
    """Return the launch of a server that some snapshot of the workspace lists."""
    statement = (
        select(blobs.c.content)
        .join(snapshot_entries, snapshot_entries.c.blob_id == blobs.c.id)
        .where(
            blobs.c.workspace_id == workspace_id,
            blobs.c.digest == identity,
            snapshot_entries.c.path == LAUNCH_PATH,
            snapshot_entries.c.kind == "mcp_server",
        )
        .limit(1)
    )
    content: bytes | None = (await transaction.connection.execute(statement)).scalar_one_or_none()
    return content


async def put_decision(
    transaction: Transaction, actor: Actor, workspace_id: WorkspaceId, decision: Decision
) -> None:
    """Keep the decision in place of an earlier one; the workspace must be locked."""
    await remove_decision(transaction, workspace_id, decision.identity)
    await transaction.connection.execute(
        insert(approvals).values(
            workspace_id=workspace_id,
            identity=decision.identity,
            is_allowed=decision.is_allowed,
            keyed_digest=decision.keyed_digest,
            allows_private=decision.allows_private,
            actor=actor.name,
            at=transaction.now,
        )
    )


async def remove_decision(
    transaction: Transaction, workspace_id: WorkspaceId, identity: Digest
) -> bool:
    """Forget a decision; return whether there was one."""
    removed = await transaction.connection.execute(
        delete(approvals).where(
            approvals.c.workspace_id == workspace_id, approvals.c.identity == identity
        )
    )
    return removed.rowcount > 0


__all__ = ["find_launch", "put_decision", "remove_decision"]
