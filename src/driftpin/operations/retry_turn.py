"""Run a chat again from a turn that ended, with its message as it was or with another text."""

from driftpin.chat.messages import Message
from driftpin.chat.states import ChatVerb, next_state
from driftpin.errors import Conflict, NotFound
from driftpin.identity import Actor, ChatId
from driftpin.operations.send_message import begin_turn, refuse_archived_chat, refuse_size
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.reading.messages import list_turns
from driftpin.store.store import Store
from driftpin.store.values import Access, MessageRow, TurnRow
from driftpin.store.writing.chats import get_question
from driftpin.store.writing.permits import Lock, permit_on_chat
from driftpin.store.writing.turns import replace_turns


async def retry_turn(
    store: Store, actor: Actor, chat_id: ChatId, number: int, content: Message | None
) -> tuple[MessageRow, TurnRow]:
    """Store the message anew with a turn that takes the place of `number` and all behind it.

    Those leave the conversation and are shown to no model again; their messages, receipts and the
    moves of the pin stay in history. Without `content` the message is what it was. Raises Conflict:
    `chat_archived`, `turn_replaced`, `bad_transition` while a turn runs; Rejected: `too_long`,
    `empty`.
    """
    require_user(actor)
    if content is not None:
        refuse_size(content)

    async def operation(transaction: Transaction) -> tuple[MessageRow, TurnRow]:
        chat = await permit_on_chat(
            transaction, actor, chat_id, Access.UPDATE, action="retry_turn", lock=Lock.EXCLUSIVE
        )
        refuse_archived_chat(chat)
        found = await list_turns(transaction.connection, actor, chat_id, number)
        if not found or found[0].number != number:
            raise NotFound
        if found[0].replaced_by is not None:
            raise Conflict("This turn has left the conversation.", code="turn_replaced")
        following = next_state(chat.state, ChatVerb.START)
        asked = content or await get_question(transaction, chat_id, number)
        message, turn = await begin_turn(transaction, chat, asked, following)
        await replace_turns(transaction, chat_id, first=number, by=turn.number)
        return message, turn

    return await store.database.write(operation)


__all__ = ["retry_turn"]
