"""Set what happens by itself to the pins of a workspace's chats that set nothing of their own."""

from dataclasses import replace

from driftpin.context.policies import Policy, PolicySet
from driftpin.events.event import EventKind
from driftpin.identity import Actor, WorkspaceId
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.policy_values import PolicyOutcome
from driftpin.store.reading.policy_outlook import foresee_policies, of_workspace
from driftpin.store.store import Store
from driftpin.store.writing.accounts import set_policies_of_workspace
from driftpin.store.writing.events import record_event
from driftpin.store.writing.permits import Lock, permit_on_workspace


async def set_workspace_policies(
    store: Store,
    actor: Actor,
    workspace_id: WorkspaceId,
    policies: PolicySet,
    *,
    dry_run: bool = False,
) -> tuple[PolicyOutcome, ...]:
    """Return what the next turn of each dirty chat there does with these policies.

    A workspace always has a policy: without one it is `pin`. With `dry_run` nothing is set.
    """
    require_user(actor)
    wish = replace(policies, policy=policies.policy or Policy.PIN)

    async def set_policies(transaction: Transaction) -> tuple[PolicyOutcome, ...]:
        permitted = await permit_on_workspace(
            transaction, actor, workspace_id, action="workspace.policies", lock=Lock.EXCLUSIVE
        )
        if wish != permitted.policies and not dry_run:
            await set_policies_of_workspace(transaction, workspace_id, wish)
            await record_event(
                transaction,
                EventKind.WORKSPACE_CHANGED,
                workspace_id=workspace_id,
                payload={"changed": "policy"},
            )
        return await foresee_policies(
            transaction.connection,
            actor,
            of_workspace(workspace_id),
            lambda present: replace(present, workspace=wish),
        )

    return await store.database.write(set_policies)


__all__ = ["set_workspace_policies"]
