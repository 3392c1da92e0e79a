"""Take what a chat's client says of the calls that it was asked to carry out."""

from collections.abc import Sequence

from driftpin import limits
from driftpin.chat.messages import ToolResultPart
from driftpin.chat.states import ChatVerb, next_state
from driftpin.errors import Conflict, NotFound, Rejected
from driftpin.events.event import EventKind
from driftpin.identity import Actor, ChatId
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.reading.messages import list_turns
from driftpin.store.reading.outside_calls import list_tool_calls
from driftpin.store.store import Store
from driftpin.store.turn_values import CallState, ToolCallRow
from driftpin.store.values import Access, ChatRow, TurnRow, TurnState
from driftpin.store.writing.events import record_event
from driftpin.store.writing.outside_calls import keep_result, set_parked_state
from driftpin.store.writing.permits import Lock, permit_on_chat
from driftpin.store.writing.turns import set_chat_state


async def submit_results(
    store: Store, actor: Actor, chat_id: ChatId, number: int, results: Sequence[ToolResultPart]
) -> TurnRow:
    """Keep the results; when no call is open any more, the turn goes on, with any worker.

    All of them are kept, or none. A call is answered once: Conflict (`call_answered`) for a second
    result, (`nothing_asked`) when the turn does not wait for its client. Raises NotFound for a call
    that was not asked for, Rejected (`too_long`).
    """
    require_user(actor)
    _refuse_size(results)

    async def operation(transaction: Transaction) -> TurnRow:
        chat = await permit_on_chat(
            transaction, actor, chat_id, Access.UPDATE, action="submit_results", lock=Lock.EXCLUSIVE
        )
        found = await list_turns(transaction.connection, actor, chat_id, number)
        if not found or found[0].number != number:
            raise NotFound
        if found[0].state is not TurnState.REQUIRES_ACTION:
            raise Conflict("This turn waits for no result.", code="nothing_asked")
        await _keep(transaction, actor, chat_id, number, results)
        calls = await list_tool_calls(transaction.connection, actor, chat_id, number)
        if not any(call.is_asked for call in calls):
            await _go_on(transaction, chat, number, calls)
        return (await list_turns(transaction.connection, actor, chat_id, number))[0]

    return await store.database.write(operation)


async def _keep(
    transaction: Transaction,
    actor: Actor,
    chat_id: ChatId,
    number: int,
    results: Sequence[ToolResultPart],
) -> None:
    calls = await list_tool_calls(transaction.connection, actor, chat_id, number)
    known = {call.call_id: call for call in calls}
    answered: set[str] = set()
    for result in results:
        call = known.get(result.call_id)
        if call is None:
            raise NotFound
        if not call.is_asked or call.call_id in answered:
            raise Conflict("This call has its result.", code="call_answered", call=call.call_id)
        answered.add(call.call_id)
        named = ToolResultPart(
            call.call_id, call.name, result.content, is_error=result.is_error, code=result.code
        )
        await keep_result(transaction, chat_id, number, named)


async def _go_on(
    transaction: Transaction, chat: ChatRow, number: int, calls: Sequence[ToolCallRow]
) -> None:
    waits_for_others = any(
        call.sub_chat_id is not None and call.state is CallState.STARTED for call in calls
    )
    following = TurnState.DELEGATED if waits_for_others else TurnState.WAITING
    await set_parked_state(transaction, chat.id, number, following)
    await set_chat_state(transaction, chat.id, next_state(chat.state, ChatVerb.SUBMIT), None)
    await record_event(
        transaction,
        EventKind.CHAT_TURN,
        workspace_id=chat.workspace_id,
        chat_id=chat.id,
        payload={"turn": number, "state": following.value},
    )


def _refuse_size(results: Sequence[ToolResultPart]) -> None:
    for result in results:
        if len(result.content.encode()) > limits.TOOL_RESULT_BYTES_MAX:
            raise Rejected(
                f"A result may have {limits.TOOL_RESULT_BYTES_MAX} bytes.",
                code="too_long",
                field="results",
                bytes_max=limits.TOOL_RESULT_BYTES_MAX,
            )


__all__ = ["submit_results"]
