"""Share a chat with another user."""

from driftpin.errors import Rejected
from driftpin.events.event import EventKind
from driftpin.identity import Actor, ChatId, UserId
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import Access
from driftpin.store.writing.chats import put_share, user_exists
from driftpin.store.writing.events import record_event
from driftpin.store.writing.permits import Lock, permit_on_chat


async def share_chat(
    store: Store, actor: Actor, chat_id: ChatId, user_id: UserId, access: Access
) -> None:
    """Let the user read the chat, or update it too; what it had before is replaced.

    For the chat's owner and administrators. Raises Rejected: `unknown_user`, `bad_access` for
    owner's access and for the owner itself.
    """
    require_user(actor)
    if access is Access.OWNER:
        raise Rejected("Access is 'read' or 'update'.", code="bad_access", field="access")

    async def operation(transaction: Transaction) -> None:
        chat = await permit_on_chat(
            transaction, actor, chat_id, Access.OWNER, action="share_chat", lock=Lock.EXCLUSIVE
        )
        if user_id == chat.owner_id:
            raise Rejected("The owner has all access.", code="bad_access", field="user_id")
        if not await user_exists(transaction, user_id):
            raise Rejected("There is no such user.", code="unknown_user", field="user_id")
        await put_share(transaction, chat_id, user_id, access)
        await record_event(
            transaction,
            EventKind.CHAT_SHARED,
            workspace_id=chat.workspace_id,
            chat_id=chat_id,
            payload={"access": access.value},
        )

    await store.database.write(operation)


__all__ = ["share_chat"]
