"""Take a decision about an MCP server back: it waits for a person again, and does not run."""

from driftpin.errors import NotFound
from driftpin.events.event import EventKind
from driftpin.identity import Actor, Digest, WorkspaceId
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.approvals import remove_decision
from driftpin.store.writing.audit import record_audit
from driftpin.store.writing.events import record_event
from driftpin.store.writing.permits import Lock, permit_on_workspace


async def withdraw_decision(
    store: Store, actor: Actor, workspace_id: WorkspaceId, identity: Digest
) -> None:
    """Forget what was decided; for the workspace's owner and administrators.

    Raises NotFound (`unknown_server`) where nothing was decided.
    """
    require_user(actor)

    async def operation(transaction: Transaction) -> None:
        await permit_on_workspace(
            transaction, actor, workspace_id, action="withdraw_decision", lock=Lock.EXCLUSIVE
        )
        if not await remove_decision(transaction, workspace_id, identity):
            raise NotFound("Nothing was decided about this server.", code="unknown_server")
        subject = f"workspace:{workspace_id}"
        await record_audit(transaction, actor, "withdraw_decision", subject, identity=identity)
        await record_event(
            transaction,
            EventKind.APPROVAL_DECIDED,
            workspace_id=workspace_id,
            payload={"identity": identity, "allowed": None},
        )

    await store.database.write(operation)


__all__ = ["withdraw_decision"]
