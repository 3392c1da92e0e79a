"""Ask a running turn to stop; its worker ends it and keeps the words that have come so far."""

from typing import Final

from driftpin.chat.states import ChatState, ChatVerb, next_state
from driftpin.errors import Conflict
from driftpin.events.event import EventKind
from driftpin.identity import Actor, ChatId
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import Access, ChatRow
from driftpin.store.writing import turns
from driftpin.store.writing.events import record_event
from driftpin.store.writing.outside_calls import release_parked
from driftpin.store.writing.permits import Lock, permit_on_chat

INTERRUPTIBLE: Final = (ChatState.RUNNING, ChatState.REQUIRES_ACTION)


async def interrupt_turn(store: Store, actor: Actor, chat_id: ChatId) -> None:
    """Mark the chat as interrupting. Raises Conflict `nothing_running` when no turn runs.

    Asking twice is the same as asking once.
    """

    async def interrupt(transaction: Transaction) -> None:
        chat = await permit_on_chat(
            transaction,
            actor,
            chat_id,
            Access.UPDATE,
            action="interrupt_turn",
            lock=Lock.EXCLUSIVE,
        )
        if chat.state is ChatState.INTERRUPTING:
            return
        if chat.state not in INTERRUPTIBLE:
            raise Conflict("No turn of this chat is running.", code="nothing_running")
        await ask_to_stop(transaction, chat)

    await store.database.write(interrupt)


async def ask_to_stop(transaction: Transaction, chat: ChatRow) -> ChatState:
    """Ask the turn at work to stop, in a chat that is locked; return what the chat then does."""
    following = next_state(chat.state, ChatVerb.INTERRUPT)
    await turns.set_chat_state(transaction, chat.id, following, None)
    await release_parked(transaction, chat.id)
    await record_event(
        transaction,
        EventKind.CHAT_TURN,
        workspace_id=chat.workspace_id,
        chat_id=chat.id,
        payload={"state": following.value},
    )
    return following


__all__ = ["INTERRUPTIBLE", "ask_to_stop", "interrupt_turn"]
