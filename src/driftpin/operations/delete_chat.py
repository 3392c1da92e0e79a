"""Delete a chat."""

from driftpin.events.event import EventKind
from driftpin.identity import Actor, ChatId
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import Access
from driftpin.store.writing.chats import delete_chat_row
from driftpin.store.writing.events import record_event
from driftpin.store.writing.permits import check_on_chat, permit_on_chat
from driftpin.store.writing.pins import lock_pins, of_chat


async def delete_chat(store: Store, actor: Actor, chat_id: ChatId) -> None:
    """Delete the chat with its messages, history and receipts; sub-chats and forks stay.

    For its owner and administrators.
    """
    require_user(actor)

    async def operation(transaction: Transaction) -> None:
        await check_on_chat(transaction, actor, chat_id, Access.OWNER)
        # The pin before the chat, as whoever moves pins and then names the chat.
        await lock_pins(transaction, of_chat(chat_id))
        chat = await permit_on_chat(transaction, actor, chat_id, Access.OWNER, action="delete_chat")
        await delete_chat_row(transaction, chat_id)
        await record_event(
            transaction,
            EventKind.CHAT_DELETED,
            workspace_id=chat.workspace_id,
            chat_id=chat_id,
            owner_id=chat.owner_id,
        )

    await store.database.write(operation)


__all__ = ["delete_chat"]
