"""Ask a running turn to stop; its worker ends it and keeps the words that have come so far."""

from driftpin.chat.states import ChatState, ChatVerb, next_state
from driftpin.errors import Conflict
from driftpin.events.event import EventKind
from driftpin.identity import Actor, ChatId
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import Access
from driftpin.store.writing import turns
from driftpin.store.writing.events import record_event
from driftpin.store.writing.permits import Lock, permit_on_chat


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
        state = ChatState(chat.state)
        if state is ChatState.INTERRUPTING:
            return
        if state not in (ChatState.RUNNING, ChatState.REQUIRES_ACTION):
            raise Conflict("No turn of this chat is running.", code="nothing_running")
        following = next_state(state, ChatVerb.INTERRUPT)
        await turns.set_chat_state(transaction, chat_id, following, None)
        await record_event(
            transaction,
            EventKind.CHAT_TURN,
            workspace_id=chat.workspace_id,
            chat_id=chat_id,
            payload={"state": following.value},
        )

    await store.database.write(interrupt)


__all__ = ["interrupt_turn"]
