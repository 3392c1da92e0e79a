"""Let go of a turn whose calls are answered from elsewhere: by its client, or by sub-chats."""

from collections.abc import Sequence
from dataclasses import dataclass

from driftpin import limits
from driftpin.chat.messages import ToolResultPart, user_message
from driftpin.chat.options import ChatOptions
from driftpin.chat.states import ChatState, ChatVerb, next_state
from driftpin.events.event import EventKind
from driftpin.identity import Actor, ChatId
from driftpin.operations.claim_turn import require_worker
from driftpin.operations.hydrate_chats import birth_on
from driftpin.operations.send_message import begin_turn
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.store import Store
from driftpin.store.values import Policy, PolicySet, TurnState
from driftpin.store.writing import outside_calls, turns
from driftpin.store.writing.births import NewChat, insert_chat
from driftpin.store.writing.chats import find_binding
from driftpin.store.writing.events import record_event
from driftpin.store.writing.heads import share_workspace

TITLE_CHARACTERS_MAX = 80


@dataclass(frozen=True, slots=True)
class Spawn:
    """A call that starts a sub-chat, with what was asked of it."""

    call_id: str
    task: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Parking:
    """What a turn goes to wait with: results that are there, and calls that are open."""

    results: Sequence[ToolResultPart]
    client_call_ids: Sequence[str]
    spawns: Sequence[Spawn]


async def park_turn(store: Store, actor: Actor, lease: TurnLease, parking: Parking) -> bool:
    """Keep the results, start the open calls, and let go of the turn, all or nothing.

    Sub-chats are made in the same transaction that counts their calls as started, so a crash loses
    none and makes none twice. Returns False, with nothing done, when the chat was asked to stop.
    Raises LeaseLost.
    """
    require_worker(actor)

    async def park(transaction: Transaction) -> bool:
        if parking.spawns:
            await share_workspace(transaction, lease.workspace_id)
        state = await turns.lock_chat_state(transaction, lease.chat_id)
        await turns.require_lease(transaction, lease)
        if state is not ChatState.RUNNING:
            return False
        for result in parking.results:
            await outside_calls.keep_result(transaction, lease.chat_id, lease.turn, result)
        for spawn in parking.spawns:
            sub_chat_id = await _spawn(transaction, actor, lease, spawn)
            await outside_calls.start_outside_call(transaction, lease, spawn.call_id, sub_chat_id)
        for call_id in parking.client_call_ids:
            await outside_calls.start_outside_call(transaction, lease, call_id, None)
        await _let_go(transaction, lease, state, asks_client=bool(parking.client_call_ids))
        return True

    return await store.database.write(park)


async def end_waiting(store: Store, actor: Actor, lease: TurnLease) -> None:
    """Let a chat run again whose turn was claimed because its client took too long."""
    require_worker(actor)

    async def end(transaction: Transaction) -> None:
        state = await turns.lock_chat_state(transaction, lease.chat_id)
        await turns.require_lease(transaction, lease)
        if state is ChatState.REQUIRES_ACTION:
            following = next_state(state, ChatVerb.SUBMIT)
            await turns.set_chat_state(transaction, lease.chat_id, following, None)

    await store.database.write(end)


async def _let_go(
    transaction: Transaction, lease: TurnLease, state: ChatState, *, asks_client: bool
) -> None:
    parked = TurnState.REQUIRES_ACTION if asks_client else TurnState.DELEGATED
    wait_s = limits.CLIENT_TOOL_WAIT_S if asks_client else limits.SPAWN_WAIT_S
    if asks_client:
        following = next_state(state, ChatVerb.REQUIRE)
        await turns.set_chat_state(transaction, lease.chat_id, following, None)
    await outside_calls.park_turn_row(transaction, lease, parked, wait_s)
    await record_event(
        transaction,
        EventKind.CHAT_TURN,
        workspace_id=lease.workspace_id,
        chat_id=lease.chat_id,
        payload={"turn": lease.turn, "state": parked.value},
    )


async def _spawn(transaction: Transaction, actor: Actor, lease: TurnLease, spawn: Spawn) -> ChatId:
    """Make a sub-chat on the snapshot that the asking request was built from; it runs at once."""
    parent = await turns.get_chat_row(transaction, lease.chat_id)
    new = NewChat(
        workspace_id=parent.workspace_id,
        owner_id=parent.owner_id,
        title=" ".join(spawn.task.split())[:TITLE_CHARACTERS_MAX],
        model=parent.model,
        parent_id=parent.id,
        policies=PolicySet(Policy.FREEZE),
        options=ChatOptions(may_spawn=parent.may_spawn, role=spawn.role),
    )
    birth = None
    snapshot_id = await outside_calls.find_request_snapshot(transaction, lease)
    if snapshot_id is not None:
        agent_id, _ = await find_binding(transaction, parent.id)
        told = {"parent_id": parent.id, "turn": lease.turn, "call_id": spawn.call_id}
        birth = await birth_on(transaction, actor, snapshot_id, agent_id, told)
    chat_id = await insert_chat(transaction, new, birth, {"parent_id": parent.id})
    made = await turns.get_chat_row(transaction, chat_id)
    await begin_turn(transaction, made, user_message(spawn.task), ChatState.RUNNING)
    return chat_id


__all__ = ["Parking", "Spawn", "end_waiting", "park_turn"]
