"""What a worker needs to know when it takes up a turn: read once, and all of one instant."""

import json
from typing import Any, Final

from sqlalchemy import Select, and_, bindparam, false, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.chat.compaction import Compaction
from driftpin.chat.messages import message_from_json
from driftpin.chat.receipts import Phase
from driftpin.chat.tools import ToolDefinition
from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.leases import TurnLease
from driftpin.store.tables import (
    agents,
    chat_pins,
    chat_tools,
    compactions,
    messages,
    receipts,
    snapshots,
    turns,
    workspaces,
)
from driftpin.store.turn_values import TurnStart

_CHAT_ID: Final = bindparam("its_chat_id", type_=turns.c.chat_id.type)
_TURN: Final = bindparam("its_turn", type_=turns.c.number.type)
# What was replaced by a later turn has left the conversation, and later turns wait for their own.
_HISTORY: Final = (
    select(messages.c.content)
    .join(turns, and_(turns.c.chat_id == messages.c.chat_id, turns.c.number == messages.c.turn))
    .where(messages.c.chat_id == _CHAT_ID, messages.c.turn <= _TURN, turns.c.replaced_by.is_(None))
    .order_by(messages.c.turn, messages.c.position)
)
_COMPACTION: Final = (
    select(compactions.c.message_count, compactions.c.tokens, compactions.c.summary)
    .join(
        turns, and_(turns.c.chat_id == compactions.c.chat_id, turns.c.number == compactions.c.turn)
    )
    .where(compactions.c.chat_id == _CHAT_ID, turns.c.replaced_by.is_(None))
    .order_by(compactions.c.message_count.desc())
    .limit(1)
)
_RECEIPTS: Final = select(receipts.c.content).where(
    receipts.c.chat_id == _CHAT_ID, receipts.c.turn == _TURN
)
_TOOLS: Final = (
    select(chat_tools.c.name, chat_tools.c.description, chat_tools.c.parameters)
    .where(chat_tools.c.chat_id == _CHAT_ID)
    .order_by(chat_tools.c.name)
)
# Bound to the workspace's agent, pinned to its head, with no hole and with nothing that failed.
_SETTLED: Final = (
    select(chat_pins.c.chat_id)
    .join(workspaces, workspaces.c.id == chat_pins.c.workspace_id)
    .join(agents, agents.c.id == workspaces.c.current_agent_id)
    .join(snapshots, snapshots.c.id == agents.c.head_id)
    .where(
        chat_pins.c.chat_id == _CHAT_ID,
        chat_pins.c.agent_id == agents.c.id,
        chat_pins.c.snapshot_id == agents.c.head_id,
        chat_pins.c.error.is_(None),
        agents.c.deleted_at.is_(None),
        snapshots.c.has_holes == false(),
    )
)


async def read_turn_start(
    connection: AsyncConnection, actor: Actor, lease: TurnLease, *, is_settled: bool
) -> TurnStart:
    """Return where a turn stands that a worker has claimed; for workers only.

    Whether its pin is settled is looked up unless that is known.
    """
    require_worker(actor)
    asked = {"its_chat_id": lease.chat_id, "its_turn": lease.turn}

    async def look(statement: Select[Any]) -> list[Any]:
        return list(await connection.execute(statement, asked))

    # Of a turn that nobody had before no request was sent.
    written = await look(_RECEIPTS) if lease.attempt > 1 else []
    left = [Compaction(*row) for row in await look(_COMPACTION)]
    return TurnStart(
        history=tuple(message_from_json(json.loads(row.content)) for row in await look(_HISTORY)),
        compaction=left[0] if left else None,
        requests=sum(json.loads(row.content)["phase"] == Phase.SENT for row in written),
        tools=tuple(
            ToolDefinition(row.name, row.description, json.loads(row.parameters))
            for row in await look(_TOOLS)
        ),
        is_settled=is_settled or bool(await look(_SETTLED)),
    )


__all__ = ["read_turn_start"]
