"""Send a message: it is stored, and a turn waits to answer it."""

from driftpin import limits
from driftpin.chat.messages import Message
from driftpin.chat.states import ChatState, ChatVerb, next_state
from driftpin.errors import Conflict, Rejected
from driftpin.events.event import EventKind
from driftpin.identity import Actor, ChatId, WorkspaceId
from driftpin.operations.interrupt_turn import INTERRUPTIBLE, ask_to_stop
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import Access, ChatRow, MessageRow, TurnRow
from driftpin.store.writing.chats import insert_message, insert_turn
from driftpin.store.writing.events import record_event
from driftpin.store.writing.permits import Lock, permit_on_chat
from driftpin.store.writing.turns import set_chat_state


async def send_message(
    store: Store, actor: Actor, chat_id: ChatId, content: Message, *, interrupts: bool = False
) -> tuple[MessageRow, TurnRow]:
    """Store a user's message with the turn that will answer it.

    While an earlier turn is at work the new one waits behind it, and behind others that wait; if it
    `interrupts`, the one at work is asked to stop. Raises Conflict (`chat_archived`), Rejected
    (`too_long`, `empty`).
    """
    require_user(actor)
    refuse_size(content)

    async def operation(transaction: Transaction) -> tuple[MessageRow, TurnRow]:
        chat = await permit_on_chat(
            transaction, actor, chat_id, Access.UPDATE, action="send_message", lock=Lock.EXCLUSIVE
        )
        refuse_archived_chat(chat)
        state = chat.state
        if interrupts and state in INTERRUPTIBLE:
            state = await ask_to_stop(transaction, chat)
        is_free = state in (ChatState.IDLE, ChatState.ERROR)
        following = next_state(state, ChatVerb.START if is_free else ChatVerb.QUEUE)
        return await begin_turn(transaction, chat, content, following)

    return await store.database.write(operation)


async def begin_turn(
    transaction: Transaction, chat: ChatRow, content: Message, following: ChatState
) -> tuple[MessageRow, TurnRow]:
    """Store a message with its turn, behind all others of the chat, which is locked."""
    turn = await insert_turn(transaction, chat.id)
    message = await add_message(transaction, chat.id, chat.workspace_id, turn.number, content)
    await set_chat_state(transaction, chat.id, following, None)
    return message, turn


def refuse_archived_chat(chat: ChatRow) -> None:
    """Refuse to let an archived chat run."""
    if chat.archived_at is not None:
        raise Conflict("This chat is archived; unarchive it first.", code="chat_archived")


async def add_message(
    transaction: Transaction,
    chat_id: ChatId,
    workspace_id: WorkspaceId,
    turn: int,
    message: Message,
) -> MessageRow:
    """Store a message of a turn and announce it; the position is the chat's next one."""
    row = await insert_message(transaction, chat_id, turn, message)
    await record_event(
        transaction,
        EventKind.CHAT_MESSAGE,
        workspace_id=workspace_id,
        chat_id=chat_id,
        payload={"message_id": row.id, "position": row.position, "turn": turn, "role": row.role},
    )
    return row


def refuse_size(content: Message) -> None:
    """Refuse a message that is too long, or that says nothing."""
    size_bytes = len(content.text.encode())
    if size_bytes > limits.MESSAGE_BYTES_MAX:
        raise Rejected(
            f"A message may have {limits.MESSAGE_BYTES_MAX} bytes, not {size_bytes}.",
            code="too_long",
            field="content",
            bytes_max=limits.MESSAGE_BYTES_MAX,
        )
    if not content.text.strip():
        raise Rejected("A message may not be empty.", code="empty", field="content")


__all__ = ["add_message", "begin_turn", "refuse_archived_chat", "refuse_size", "send_message"]
