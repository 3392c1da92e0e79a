"""Go on with a turn that failed, from its last committed step."""

from driftpin.chat.states import ChatVerb, next_state
from driftpin.errors import Conflict, NotFound
from driftpin.events.event import EventKind
from driftpin.identity import Actor, ChatId
from driftpin.operations.send_message import refuse_archived_chat
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.reading.messages import list_turns
from driftpin.store.store import Store
from driftpin.store.values import Access, TurnRow, TurnState
from driftpin.store.writing import turns
from driftpin.store.writing.events import record_event
from driftpin.store.writing.permits import Lock, permit_on_chat


async def resume_turn(store: Store, actor: Actor, chat_id: ChatId, number: int) -> TurnRow:
    """Let a worker take up the chat's last turn, which failed; return it, waiting.

    What it had committed stays: no message is sent twice and no call is made again. It goes on
    with the chat's pin as it is now, since a person acts. Raises Conflict: `chat_archived`,
    `bad_transition`, `turn_not_failed`.
    """
    require_user(actor)

    async def operation(transaction: Transaction) -> TurnRow:
        chat = await permit_on_chat(
            transaction, actor, chat_id, Access.UPDATE, action="resume_turn", lock=Lock.EXCLUSIVE
        )
        refuse_archived_chat(chat)
        found = await list_turns(transaction.connection, actor, chat_id, number)
        if not found or found[0].number != number:
            raise NotFound
        following = next_state(chat.state, ChatVerb.RESUME)
        if len(found) > 1 or found[0].state is not TurnState.FAILED:
            raise Conflict(
                "Only a chat's last turn, if it failed, goes on.", code="turn_not_failed"
            )
        await turns.reopen_turn(transaction, chat_id, number)
        await turns.set_chat_state(transaction, chat_id, following, None)
        await record_event(
            transaction,
            EventKind.CHAT_TURN,
            workspace_id=chat.workspace_id,
            chat_id=chat_id,
            payload={"turn": number, "state": turns.WAITING},
        )
        return (await list_turns(transaction.connection, actor, chat_id, number))[0]

    return await store.database.write(operation)


__all__ = ["resume_turn"]
