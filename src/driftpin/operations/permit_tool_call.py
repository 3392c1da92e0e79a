"""Let a user's own program call a tool that a chat is pinned to."""

from driftpin.identity import Actor, ChatId
from driftpin.operations.send_message import refuse_archived_chat
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import Access
from driftpin.store.writing.audit import record_audit
from driftpin.store.writing.permits import permit_on_chat


async def permit_tool_call(store: Store, actor: Actor, chat_id: ChatId, tool: str) -> None:
    """Leave a row in the audit that says who has the tool called; the call itself follows.

    It takes what sending a message takes, since a turn may call the same tools. Raises Conflict
    (`chat_archived`).
    """
    require_user(actor)

    async def operation(transaction: Transaction) -> None:
        chat = await permit_on_chat(
            transaction, actor, chat_id, Access.UPDATE, action="call_pinned_tool"
        )
        refuse_archived_chat(chat)
        await record_audit(transaction, actor, "call_pinned_tool", f"chat:{chat_id}", tool=tool)

    await store.database.write(operation)


__all__ = ["permit_tool_call"]
