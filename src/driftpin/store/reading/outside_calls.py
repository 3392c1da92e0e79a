"""Calls of a turn with what is known of them, the tools of a chat's client, and its sub-chats."""

import json
from typing import Any, Final

from sqlalchemy import Row, and_, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.chat.messages import ToolResultPart, message_from_json
from driftpin.chat.tools import ToolDefinition
from driftpin.errors import NotFound
from driftpin.identity import Actor, ChatId
from driftpin.store.access import visible_chats
from driftpin.store.tables import chat_tools, chats, tool_calls, turns
from driftpin.store.turn_values import CallState, Spawning, ToolCallRow
from driftpin.store.values import TurnState

# More than any chain of chats may have; a look at one ends there.
DEPTH_LOOKED_AT_MAX: Final = 100


async def list_tool_calls(
    connection: AsyncConnection, actor: Actor, chat_id: ChatId, turn: int
) -> tuple[ToolCallRow, ...]:
    """Return the calls of a turn in the order in which they were asked for."""
    statement = (
        select(turns.c.state.label("turn_state"), tool_calls)
        .select_from(
            chats.join(turns, turns.c.chat_id == chats.c.id).outerjoin(
                tool_calls,
                and_(tool_calls.c.chat_id == chats.c.id, tool_calls.c.turn == turns.c.number),
            )
        )
        .where(chats.c.id == chat_id, turns.c.number == turn, visible_chats(actor))
        .order_by(tool_calls.c.created_at, tool_calls.c.call_id)
    )
    rows = (await connection.execute(statement)).all()
    if not rows:
        raise NotFound
    return tuple(_call_from(row) for row in rows if row.call_id is not None)


async def list_chat_tools(
    connection: AsyncConnection, actor: Actor, chat_id: ChatId
) -> tuple[ToolDefinition, ...]:
    """Return the tools that the chat's client declared, by name."""
    statement = (
        select(chat_tools)
        .select_from(chats.outerjoin(chat_tools, chat_tools.c.chat_id == chats.c.id))
        .where(chats.c.id == chat_id, visible_chats(actor))
        .order_by(chat_tools.c.name)
    )
    rows = (await connection.execute(statement)).all()
    if not rows:
        raise NotFound
    return tuple(
        ToolDefinition(row.name, row.description, json.loads(row.parameters))
        for row in rows
        if row.name is not None
    )


async def read_spawning(connection: AsyncConnection, actor: Actor, chat_id: ChatId) -> Spawning:
    """Return how deep the chat stands and how many sub-chats its model has started."""
    line = (
        select(chats.c.id, chats.c.parent_id, literal(0).label("depth"))
        .where(chats.c.id == chat_id, visible_chats(actor))
        .cte("line", recursive=True)
    )
    above = chats.alias("above")
    line = line.union_all(
        select(above.c.id, above.c.parent_id, line.c.depth + 1)
        .join(line, line.c.parent_id == above.c.id)
        .where(line.c.depth < DEPTH_LOOKED_AT_MAX)
    )
    deepest = select(line.c.depth).order_by(line.c.depth.desc()).limit(1)
    depth = (await connection.execute(deepest)).scalar_one_or_none()
    if depth is None:
        raise NotFound
    started = select(func.count()).where(
        tool_calls.c.chat_id == chat_id, tool_calls.c.sub_chat_id.is_not(None)
    )
    return Spawning(depth, (await connection.execute(started)).scalar_one())


def _result_from(written: str) -> ToolResultPart:
    (result,) = message_from_json(json.loads(written)).parts
    assert isinstance(result, ToolResultPart)
    return result


def _call_from(row: Row[Any]) -> ToolCallRow:
    is_open = row.state == CallState.STARTED and row.result is None
    waits_for_client = row.turn_state == TurnState.REQUIRES_ACTION
    return ToolCallRow(
        call_id=row.call_id,
        name=row.name,
        arguments=row.arguments,
        state=CallState(row.state),
        outcome=row.outcome,
        result=None if row.result is None else _result_from(row.result),
        sub_chat_id=row.sub_chat_id,
        is_asked=is_open and waits_for_client and row.sub_chat_id is None,
    )


__all__ = ["list_chat_tools", "list_tool_calls", "read_spawning"]
