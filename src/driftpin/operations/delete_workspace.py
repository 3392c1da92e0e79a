"""Delete a workspace."""

from driftpin.events.event import EventKind
from driftpin.identity import Actor, WorkspaceId
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.accounts import mark_workspace_deleted
from driftpin.store.writing.events import record_event
from driftpin.store.writing.permits import Lock, permit_on_workspace


async def delete_workspace(store: Store, actor: Actor, workspace_id: WorkspaceId) -> None:
    """Delete the workspace and its agents; its chats stay readable with what they have pinned."""
    require_user(actor)

    async def operation(transaction: Transaction) -> None:
        await permit_on_workspace(
            transaction, actor, workspace_id, action="delete_workspace", lock=Lock.EXCLUSIVE
        )
        await mark_workspace_deleted(transaction, workspace_id)
        await record_event(
            transaction,
            EventKind.AGENT_STATE,
            workspace_id=workspace_id,
            payload={"state": "workspace_deleted"},
        )

    await store.database.write(operation)


__all__ = ["delete_workspace"]
