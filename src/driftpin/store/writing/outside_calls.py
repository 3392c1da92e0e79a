"""Statements on calls that are answered from elsewhere, and on turns that wait for the answers."""

import json
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import insert, select, update

from driftpin.chat.messages import Message, Role, ToolResultPart, message_to_json
from driftpin.chat.tools import ToolDefinition
from driftpin.identity import ChatId
from driftpin.store.database import Transaction
from driftpin.store.leases import TurnLease
from driftpin.store.tables import chat_tools, tool_calls, turns
from driftpin.store.values import TurnState
from driftpin.store.writing.turns import PARKED, WAITING, is_call


async def add_chat_tools(
    transaction: Transaction, chat_id: ChatId, tools: Sequence[ToolDefinition]
) -> None:
    """Store the tools that a new chat's client declares."""
    rows = [
        {
            "chat_id": chat_id,
            "name": tool.name,
            "description": tool.description,
            "parameters": json.dumps(tool.parameters),
        }
        for tool in tools
    ]
    if rows:
        await transaction.connection.execute(insert(chat_tools), rows)


async def keep_result(
    transaction: Transaction, chat_id: ChatId, turn: int, result: ToolResultPart
) -> None:
    """Keep what a call gave until all calls of its answer have given something."""
    await transaction.connection.execute(
        update(tool_calls)
        .where(is_call(chat_id, turn, result.call_id))
        .values(result=json.dumps(message_to_json(Message(Role.TOOL, (result,)))))
    )


async def start_outside_call(
    transaction: Transaction, lease: TurnLease, call_id: str, sub_chat_id: ChatId | None
) -> None:
    """Count a call as started: it is the client's now, or that of a sub-chat."""
    await transaction.connection.execute(
        update(tool_calls)
        .where(is_call(lease.chat_id, lease.turn, call_id))
        .values(state="started", sub_chat_id=sub_chat_id)
    )


async def find_request_snapshot(transaction: Transaction, lease: TurnLease) -> int | None:
    """Return the snapshot that the turn's newest request was built from."""
    statement = select(turns.c.snapshot_id).where(
        turns.c.chat_id == lease.chat_id, turns.c.number == lease.turn
    )
    found: int | None = (await transaction.connection.execute(statement)).scalar_one()
    return found


async def park_turn_row(
    transaction: Transaction, lease: TurnLease, state: TurnState, wait_s: float
) -> None:
    """Let go of the turn until it is answered, or until the wait is over."""
    await transaction.connection.execute(
        update(turns)
        .where(turns.c.chat_id == lease.chat_id, turns.c.number == lease.turn)
        .values(
            state=state.value,
            holder=None,
            lease_until=transaction.now + timedelta(seconds=wait_s),
        )
    )


async def set_parked_state(
    transaction: Transaction, chat_id: ChatId, number: int, state: TurnState
) -> None:
    """Say what a parked turn waits for now; WAITING gives it to the next worker."""
    await transaction.connection.execute(
        update(turns)
        .where(turns.c.chat_id == chat_id, turns.c.number == number)
        .values(state=state.value)
    )


async def release_parked(transaction: Transaction, chat_id: ChatId) -> None:
    """Give the chat's parked turn, if there is one, to the next worker."""
    await transaction.connection.execute(
        update(turns)
        .where(turns.c.chat_id == chat_id, turns.c.state.in_(PARKED))
        .values(state=WAITING, lease_until=None)
    )


__all__ = [
    "add_chat_tools",
    "find_request_snapshot",
    "keep_result",
    "park_turn_row",
    "release_parked",
    "set_parked_state",
    "start_outside_call",
]
