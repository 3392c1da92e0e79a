"""Statements on turns: claiming, holding, streaming, ending.

Whether a lease has run out is judged by the database's own time, so workers whose clocks differ
agree about it; the one process of an SQLite file frees what it leaves instead.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    insert,
    or_,
    select,
    update,
)

from driftpin.chat.messages import ToolCallPart
from driftpin.chat.states import ChatState
from driftpin.chat.tools import UNKNOWN_RESULT
from driftpin.identity import ChatId
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.dialects import dialect_for
from driftpin.store.leases import LeaseLost, TurnLease
from driftpin.store.reading.columns import chat_from
from driftpin.store.tables import chat_pins, chats, tool_calls, turn_chunks, turns
from driftpin.store.turn_values import StreamedText
from driftpin.store.values import ChatRow, TurnState
from driftpin.store.writing.together import row_parameters
from driftpin.store.writing.turn_leases import until
from driftpin.store.writing.turn_statements import (
    ADD_CHUNK,
    CLOSE_CALL,
    CLOSE_TURN,
    DROP_CHUNKS,
    GET_CHAT,
    LOCK_CHAT_OF_HELD_TURN,
    LOCK_HELD_TURN,
    RECORD_PIN,
    RUNNING,
    SET_CHAT_STATE,
    START_CALLS,
    WAITING,
    WHO_WAITS,
    held_by,
    turn_of,
)

DELEGATED: Final = TurnState.DELEGATED.value
# Waits for the chat's client, or for sub-chats; until `lease_until`.
PARKED: Final = (TurnState.REQUIRES_ACTION.value, DELEGATED)
UNDER_WAY: Final = (RUNNING, *PARKED)
UNFINISHED: Final = (WAITING, *UNDER_WAY)


async def find_claimable_turn(transaction: Transaction) -> tuple[Row[Any] | None, bool]:
    """Return one turn that nobody holds and that no earlier turn of its chat stands before.

    Also one whose sub-chats have answered, and one whose client took too long.

    The row is locked until the end of the transaction; turns that others are claiming at this
    moment are passed over. Also says whether there is another one.
    """
    statement, now = _claimable(transaction.engine), {"claimed_at": transaction.now}
    rows = (await transaction.connection.execute(statement, now)).all()
    return (rows[0] if rows else None), len(rows) > 1


@lru_cache(maxsize=len(EngineKind))
def _claimable(engine: EngineKind) -> Select[Any]:
    """Choose up to two turns that can be claimed."""
    earlier = turns.alias("earlier")
    stands_before = (
        select(earlier.c.number)
        .where(
            earlier.c.chat_id == turns.c.chat_id,
            earlier.c.number < turns.c.number,
            earlier.c.state.in_(UNFINISHED),
        )
        .exists()
    )
    is_held = dialect_for(engine).is_held(turns.c.lease_until)
    is_left = and_(turns.c.state == RUNNING, or_(turns.c.lease_until.is_(None), ~is_held))
    now = bindparam("claimed_at", type_=turns.c.lease_until.type)
    is_late = and_(turns.c.state.in_(PARKED), turns.c.lease_until < now)
    is_free = or_(turns.c.state == WAITING, is_left, is_late, _has_its_answers())
    return (
        select(turns)
        .where(is_free, ~stands_before)
        .order_by(turns.c.created_at, turns.c.chat_id)
        .limit(2)
        .with_for_update(skip_locked=True)
    )


def _has_its_answers() -> ColumnElement[bool]:
    """Whether no sub-chat that the turn waits for is still at its first turn."""
    first = turns.alias("first")
    is_open = (
        select(tool_calls.c.call_id)
        .join(first, and_(first.c.chat_id == tool_calls.c.sub_chat_id, first.c.number == 1))
        .where(
            tool_calls.c.chat_id == turns.c.chat_id,
            tool_calls.c.turn == turns.c.number,
            tool_calls.c.state == "started",
            first.c.state.in_(UNFINISHED),
        )
        .exists()
    )
    return and_(turns.c.state == DELEGATED, ~is_open)


async def take_turn(
    transaction: Transaction, turn: Row[Any], chat: ChatRow, holder: str, lease_s: float
) -> TurnLease:
    """Give the turn of the chat to `holder` with a new fence, and return the lease."""
    statement = (
        update(turns)
        .where(turns.c.chat_id == turn.chat_id, turns.c.number == turn.number)
        .values(
            state=RUNNING,
            holder=holder,
            fence=turn.fence + 1,
            attempt=turn.attempt + 1,
            lease_until=until(transaction, lease_s),
        )
    )
    await transaction.connection.execute(statement)
    return TurnLease(
        chat_id=turn.chat_id,
        workspace_id=chat.workspace_id,
        turn=turn.number,
        fence=turn.fence + 1,
        attempt=turn.attempt + 1,
    )


async def get_chat_row(transaction: Transaction, chat_id: ChatId) -> ChatRow:
    """Return the chat of a turn, which exists as long as the turn does."""
    found = await transaction.connection.execute(GET_CHAT, {"chats_id": chat_id})
    return chat_from(found.one())


async def require_lease(transaction: Transaction, lease: TurnLease) -> None:
    """Lock the turn and raise LeaseLost unless this very lease still holds it."""
    row = (await transaction.connection.execute(LOCK_HELD_TURN, held_by(lease))).first()
    if row is None:
        raise LeaseLost


async def hold_turn(transaction: Transaction, lease: TurnLease) -> ChatState:
    """Lock the chat and then its turn, and return what the chat is doing.

    Raises LeaseLost unless this very lease still holds the turn, also when the chat was deleted:
    its turns went with it.
    """
    found = await transaction.connection.execute(LOCK_CHAT_OF_HELD_TURN, held_by(lease))
    state = found.scalar_one_or_none()
    if state is None:
        raise LeaseLost
    return ChatState(state)


async def record_pin_of_turn(
    transaction: Transaction, lease: TurnLease, revision: int, snapshot_id: int | None
) -> None:
    """Write down which pin the turn's newest request is built from; the first one is held.

    Locks the turn, and raises LeaseLost unless this very lease still holds it.
    """
    pin = {
        "turns_pin_revision": None if snapshot_id is None else revision,
        "turns_snapshot_id": snapshot_id,
        "turns_held_revision": revision,
    }
    changed = await transaction.connection.execute(RECORD_PIN, held_by(lease) | pin)
    if not changed.rowcount:
        raise LeaseLost


async def hold_present_pin(transaction: Transaction, chat_id: ChatId) -> None:
    """Let a turn that runs go on with the chat's pin as it is now; the pin is locked."""
    present = select(chat_pins.c.revision).where(chat_pins.c.chat_id == chat_id).scalar_subquery()
    await transaction.connection.execute(
        update(turns)
        .where(turns.c.chat_id == chat_id, turns.c.state.in_(UNDER_WAY))
        .values(held_revision=present)
    )


async def close_turn(
    transaction: Transaction, lease: TurnLease, state: str, error: str | None
) -> None:
    """End the turn and drop what streamed: its messages say it all now."""
    end = {"turns_state": state, "turns_error": error, "turns_finished_at": transaction.now}
    await transaction.connection.execute(CLOSE_TURN, turn_of(lease) | end)
    await transaction.connection.execute(DROP_CHUNKS, turn_of(lease))


async def reopen_turn(transaction: Transaction, chat_id: ChatId, number: int) -> None:
    """Let a turn that ended wait for a worker again; it settles its pin anew."""
    await transaction.connection.execute(
        update(turns)
        .where(turns.c.chat_id == chat_id, turns.c.number == number)
        .values(state=WAITING, error=None, finished_at=None, held_revision=None)
    )


async def replace_turns(transaction: Transaction, chat_id: ChatId, *, first: int, by: int) -> None:
    """Take the turns from `first` up to the one `by` which they are replaced out of the chat."""
    await transaction.connection.execute(
        update(turns)
        .where(
            turns.c.chat_id == chat_id,
            turns.c.number >= first,
            turns.c.number < by,
            turns.c.replaced_by.is_(None),
        )
        .values(replaced_by=by)
    )


async def who_waits(transaction: Transaction, chat_id: ChatId) -> tuple[bool, bool]:
    """Return whether a message of this chat is to be answered, and whether the chat has a parent.

    A parent may wait for the end of its sub-chat.
    """
    found = await transaction.connection.execute(WHO_WAITS, {"turns_chat_id": chat_id})
    row = found.one()
    return row.has_waiting, row.parent_id is not None


async def set_chat_state(
    transaction: Transaction, chat_id: ChatId, state: ChatState, error: str | None
) -> None:
    """Write what the chat is doing; `updated_at` moves, since its messages did."""
    given = {"state": state.value, "error": error, "updated_at": transaction.now}
    parameters = row_parameters(chats, {"id": chat_id, **given})
    await transaction.connection.execute(SET_CHAT_STATE, parameters)


async def lock_chat_state(transaction: Transaction, chat_id: ChatId) -> ChatState:
    """Lock the chat of a turn and return what it is doing.

    Raises LeaseLost when the chat was deleted: its turns went with it.
    """
    statement = select(chats.c.state).where(chats.c.id == chat_id).with_for_update()
    state = (await transaction.connection.execute(statement)).scalar_one_or_none()
    if state is None:
        raise LeaseLost
    return ChatState(state)


async def add_chunk(transaction: Transaction, lease: TurnLease, batch: StreamedText) -> None:
    """Store a batch of streamed text of the lease's attempt."""
    row = {
        "chat_id": lease.chat_id,
        "turn": lease.turn,
        "attempt": lease.attempt,
        "chunk_offset": batch.offset,
        "content": json.dumps({"text": batch.text}),
    }
    await transaction.connection.execute(ADD_CHUNK, row_parameters(turn_chunks, row))
    transaction.has_events = True


async def add_tool_calls(
    transaction: Transaction, lease: TurnLease, calls: tuple[ToolCallPart, ...]
) -> None:
    """Store the calls that an answer asks for, none of them started."""
    if not calls:
        return
    rows = [
        {
            "chat_id": lease.chat_id,
            "turn": lease.turn,
            "call_id": call.call_id,
            "name": call.name,
            "arguments": call.arguments,
            "state": "not_started",
            "created_at": transaction.now,
        }
        for call in calls
    ]
    await transaction.connection.execute(insert(tool_calls), rows)


async def start_tool_calls(
    transaction: Transaction, lease: TurnLease, call_ids: Sequence[str]
) -> frozenset[str]:
    """Start those of the calls that were never started, and return their ids."""
    asked = {**turn_of(lease), "call_ids": list(call_ids)}
    return frozenset((await transaction.connection.execute(START_CALLS, asked)).scalars())


def is_call(chat_id: ChatId, turn: int, call_id: str) -> ColumnElement[bool]:
    """Choose one call of a turn."""
    return and_(
        tool_calls.c.chat_id == chat_id,
        tool_calls.c.turn == turn,
        tool_calls.c.call_id == call_id,
    )


async def close_tool_call(
    transaction: Transaction, lease: TurnLease, call_id: str, outcome: str
) -> None:
    """Write down how a call ended: `ok`, the code of its failure, or that it is unknown."""
    end = {
        "call_id": call_id,
        "state": "done" if outcome != UNKNOWN_RESULT.code else "unknown",
        "outcome": outcome,
    }
    parameters = turn_of(lease) | row_parameters(tool_calls, end)
    await transaction.connection.execute(CLOSE_CALL, parameters)


__all__ = [
    "PARKED",
    "RUNNING",
    "UNDER_WAY",
    "UNFINISHED",
    "WAITING",
    "add_chunk",
    "add_tool_calls",
    "close_tool_call",
    "close_turn",
    "find_claimable_turn",
    "get_chat_row",
    "hold_present_pin",
    "hold_turn",
    "is_call",
    "lock_chat_state",
    "record_pin_of_turn",
    "reopen_turn",
    "replace_turns",
    "require_lease",
    "set_chat_state",
    "start_tool_calls",
    "take_turn",
    "who_waits",
]
