"""Take a chat back from another user."""

from driftpin.errors import NotFound
from driftpin.events.event import EventKind
from driftpin.identity import Actor, ChatId, UserId
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import Access
from driftpin.store.writing.chats import remove_share
from driftpin.store.writing.events import record_event
from driftpin.store.writing.permits import Lock, permit_on_chat


async def unshare_chat(store: Store, actor: Actor, chat_id: ChatId, user_id: UserId) -> None:
    """End the user's access to the chat; for its owner and administrators.

    Whoever lost access learns of it by the event, and of nothing after it. Raises NotFound for a
    user with whom it is not shared.
    """
    require_user(actor)

    async def operation(transaction: Transaction) -> None:
        chat = await permit_on_chat(
            transaction, actor, chat_id, Access.OWNER, action="unshare_chat", lock=Lock.EXCLUSIVE
        )
        if not await remove_share(transaction, chat_id, user_id):
            raise NotFound
        await record_event(
            transaction,
            EventKind.CHAT_SHARED,
            workspace_id=chat.workspace_id,
            chat_id=chat_id,
            owner_id=user_id,
            payload={"access": None},
        )

    await store.database.write(operation)


__all__ = ["unshare_chat"]
