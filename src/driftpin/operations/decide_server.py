"""Decide whether an MCP server of a workspace may run."""

from driftpin.context.launch import has_literals
from driftpin.errors import NotFound, Rejected
from driftpin.events.event import EventKind
from driftpin.identity import Actor, WorkspaceId
from driftpin.store.access import require_user
from driftpin.store.approval_values import Decision
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.approvals import find_launch, put_decision
from driftpin.store.writing.audit import record_audit
from driftpin.store.writing.events import record_event
from driftpin.store.writing.permits import Lock, permit_on_workspace


async def decide_server(
    store: Store, actor: Actor, workspace_id: WorkspaceId, decision: Decision
) -> None:
    """Allow or deny one identity; for the workspace's owner and administrators.

    Only what the workspace has listed can be decided, since what is approved is what is shown.
    Raises NotFound (`unknown_server`) for any other identity, and Rejected (`values_unknown`) where
    literal values belong to it whose digest was not shown.
    """
    require_user(actor)

    async def operation(transaction: Transaction) -> None:
        await permit_on_workspace(
            transaction, actor, workspace_id, action="decide_server", lock=Lock.EXCLUSIVE
        )
        launch = await find_launch(transaction, workspace_id, decision.identity)
        if launch is None:
            raise NotFound("This workspace lists no such server.", code="unknown_server")
        _check_values(launch, decision)
        await put_decision(transaction, actor, workspace_id, decision)
        await record_audit(
            transaction,
            actor,
            "decide_server",
            f"workspace:{workspace_id}",
            identity=decision.identity,
            decision="allow" if decision.is_allowed else "deny",
            private="allowed" if decision.allows_private else "refused",
        )
        await record_event(
            transaction,
            EventKind.APPROVAL_DECIDED,
            workspace_id=workspace_id,
            payload={"identity": decision.identity, "allowed": decision.is_allowed},
        )

    await store.database.write(operation)


def _check_values(launch: bytes, decision: Decision) -> None:
    """Refuse to allow values unseen: any other value would be covered too."""
    if decision.is_allowed and decision.keyed_digest is None and has_literals(launch):
        raise Rejected(
            "This server has literal values that its agent has not told of yet; look again.",
            code="values_unknown",
            field="keyed_digest",
        )


__all__ = ["decide_server"]
