"""Set what happens to one chat's pin by itself when its head moves on."""

from dataclasses import replace

from driftpin.context.policies import PolicySet
from driftpin.events.event import EventKind
from driftpin.identity import Actor, ChatId
from driftpin.operations.single_moves import refuse_sub_chat
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.policy_values import PolicyOutcome
from driftpin.store.reading.columns import policy_values
from driftpin.store.reading.policy_outlook import foresee_policies, of_chat
from driftpin.store.store import Store
from driftpin.store.values import Access
from driftpin.store.writing.chats import update_chat_row
from driftpin.store.writing.events import record_event
from driftpin.store.writing.permits import Lock, permit_on_chat


async def set_chat_policies(
    store: Store, actor: Actor, chat_id: ChatId, policies: PolicySet, *, dry_run: bool = False
) -> tuple[PolicyOutcome, ...]:
    """Return what the chat's next turn does with these policies; nothing for a clean chat.

    What is not set is left to the workspace. No pin moves before a turn starts. With `dry_run`
    nothing is set. Raises Conflict (`sub_chat`): a sub-chat stays with its parent.
    """
    require_user(actor)

    async def set_policies(transaction: Transaction) -> tuple[PolicyOutcome, ...]:
        chat = await permit_on_chat(
            transaction, actor, chat_id, Access.UPDATE, action="chat.policies", lock=Lock.EXCLUSIVE
        )
        refuse_sub_chat(chat)
        if policies != chat.policies and not dry_run:
            await update_chat_row(
                transaction, chat_id, **policy_values(policies), updated_at=transaction.now
            )
            await record_event(
                transaction,
                EventKind.CHAT_CHANGED,
                workspace_id=chat.workspace_id,
                chat_id=chat_id,
                payload={"changed": "policy"},
            )
        return await foresee_policies(
            transaction.connection,
            actor,
            of_chat(chat_id),
            lambda present: replace(present, chat=policies),
        )

    return await store.database.write(set_policies)


__all__ = ["set_chat_policies"]
