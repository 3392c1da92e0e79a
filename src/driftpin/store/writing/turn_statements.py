"""What every turn asks of the database several times, built once."""

from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, func, select, update

from driftpin.store.leases import TurnLease
from driftpin.store.tables import chats, tool_calls, turn_chunks, turns
from driftpin.store.writing.together import inserting, parameter_of

WAITING: Final = "waiting"
RUNNING: Final = "running"

_IS_TURN: Final = and_(
    turns.c.chat_id == parameter_of(turns, "chat_id"),
    turns.c.number == parameter_of(turns, "number"),
)
IS_HELD: Final = and_(
    _IS_TURN, turns.c.state == RUNNING, turns.c.fence == parameter_of(turns, "fence")
)
_IS_CALL_OF_TURN: Final = and_(
    tool_calls.c.chat_id == parameter_of(turns, "chat_id"),
    tool_calls.c.turn == parameter_of(turns, "number"),
)
GET_CHAT: Final = select(chats).where(chats.c.id == parameter_of(chats, "id"))
LOCK_HELD_TURN: Final = select(turns.c.fence).where(IS_HELD).with_for_update(key_share=True)
# The chat is locked before the turn: PostgreSQL locks in the order in which tables are named.
LOCK_CHAT_OF_HELD_TURN: Final = (
    select(chats.c.state)
    .select_from(chats.join(turns, turns.c.chat_id == chats.c.id))
    .where(chats.c.id == parameter_of(turns, "chat_id"), IS_HELD)
    .with_for_update(key_share=True, of=(chats, turns))
)
RECORD_PIN: Final = (
    update(turns)
    .where(IS_HELD)
    .values(
        pin_revision=parameter_of(turns, "pin_revision"),
        snapshot_id=parameter_of(turns, "snapshot_id"),
        held_revision=func.coalesce(turns.c.held_revision, parameter_of(turns, "held_revision")),
    )
)
CLOSE_TURN: Final = (
    update(turns)
    .where(_IS_TURN)
    .values(
        holder=None,
        lease_until=None,
        **{name: parameter_of(turns, name) for name in ("state", "error", "finished_at")},
    )
)
WHO_WAITS: Final = select(
    chats.c.parent_id,
    select(turns.c.number)
    .where(turns.c.chat_id == chats.c.id, turns.c.state == WAITING)
    .exists()
    .label("has_waiting"),
).where(chats.c.id == parameter_of(turns, "chat_id"))
SET_CHAT_STATE: Final = (
    update(chats)
    .where(chats.c.id == parameter_of(chats, "id"))
    .values({name: parameter_of(chats, name) for name in ("state", "error", "updated_at")})
)
ADD_CHUNK: Final = inserting(turn_chunks, "chat_id", "turn", "attempt", "chunk_offset", "content")
DROP_CHUNKS: Final = delete(turn_chunks).where(
    turn_chunks.c.chat_id == parameter_of(turns, "chat_id"),
    turn_chunks.c.turn == parameter_of(turns, "number"),
)
START_CALLS: Final = (
    update(tool_calls)
    .where(
        _IS_CALL_OF_TURN,
        tool_calls.c.call_id.in_(bindparam("call_ids", expanding=True)),
        tool_calls.c.state == "not_started",
    )
    .values(state="started")
    .returning(tool_calls.c.call_id)
)
CLOSE_CALL: Final = (
    update(tool_calls)
    .where(_IS_CALL_OF_TURN, tool_calls.c.call_id == parameter_of(tool_calls, "call_id"))
    .values({name: parameter_of(tool_calls, name) for name in ("state", "outcome")})
)


def turn_of(lease: TurnLease) -> dict[str, Any]:
    """Return which turn it is, as parameters."""
    return {"turns_chat_id": lease.chat_id, "turns_number": lease.turn}


def held_by(lease: TurnLease) -> dict[str, Any]:
    """Return the same with the fence of whoever holds it."""
    return {**turn_of(lease), "turns_fence": lease.fence}


__all__ = [
    "ADD_CHUNK",
    "CLOSE_CALL",
    "CLOSE_TURN",
    "DROP_CHUNKS",
    "GET_CHAT",
    "IS_HELD",
    "LOCK_CHAT_OF_HELD_TURN",
    "LOCK_HELD_TURN",
    "RECORD_PIN",
    "RUNNING",
    "SET_CHAT_STATE",
    "START_CALLS",
    "WAITING",
    "WHO_WAITS",
    "held_by",
    "turn_of",
]
