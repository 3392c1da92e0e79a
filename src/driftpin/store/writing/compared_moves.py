"""Moving one pin by comparing it: the pin, its event and its history row, or none of them.

PostgreSQL takes all three in one statement, which makes a refresh two round trips. SQLite has no
writing statements inside WITH, and no round trips either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import CTE, bindparam, insert, select, update
from sqlalchemy.sql.dml import ReturningInsert

from driftpin.failpoints import Failpoint
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.dialects.postgresql import PostgresDialect
from driftpin.store.tables import chat_pin_history, chat_pins, events
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.events import EVENT_COLUMNS, inserting_event, note_event
from driftpin.store.writing.pins import LockedPin, Move, history_values
from driftpin.store.writing.together import parameter_of, row_parameters

HISTORY_COLUMNS: Final = tuple(
    column.name for column in chat_pin_history.c if column.name != "event_id"
)
PIN_COLUMNS: Final = ("snapshot_id", "revision", "pinned_at", "error")

# Built once: building such statements costs as much as running them.
COMPARE: Final = (
    update(chat_pins)
    .where(
        chat_pins.c.chat_id == bindparam("seen_chat_id"),
        chat_pins.c.revision == bindparam("seen_revision"),
        chat_pins.c.agent_id.is_not_distinct_from(
            bindparam("seen_agent_id", type_=chat_pins.c.agent_id.type)
        ),
        chat_pins.c.is_archived
        == bindparam("seen_is_archived", type_=chat_pins.c.is_archived.type),
    )
    .values({name: bindparam(f"pin_{name}", type_=chat_pins.c[name].type) for name in PIN_COLUMNS})
)


def _in_one_statement() -> ReturningInsert[Any]:
    moved = COMPARE.returning(chat_pins.c.chat_id).cte("moved")
    event_row = select(
        PostgresDialect().transaction_number(),
        *(parameter_of(events, name) for name in EVENT_COLUMNS),
    ).select_from(moved)
    event = (
        insert(events)
        .from_select(["transaction_id", *EVENT_COLUMNS], event_row)
        .returning(events.c.id)
        .cte("event")
    )
    return history_naming(event)


def history_naming(event: CTE) -> ReturningInsert[Any]:
    """Return what writes the history row of an event on PostgreSQL; its row is for `note_event`."""
    row = select(
        event.c.id, *(parameter_of(chat_pin_history, name) for name in HISTORY_COLUMNS)
    ).select_from(event)
    return (
        insert(chat_pin_history)
        .from_select(["event_id", *HISTORY_COLUMNS], row)
        .returning(
            chat_pin_history.c.event_id.label("id"),
            PostgresDialect().transaction_number().label("transaction_id"),
        )
    )


MOVE_IN_ONE_STATEMENT: Final = _in_one_statement()


@dataclass(frozen=True, slots=True)
class ComparedMove:
    """A move of one pin from exactly what was seen. `event` holds the values of its event."""

    seen: LockedPin
    before: SnapshotRef | None
    target: SnapshotRef
    move: Move
    event: Mapping[str, Any]


async def compare_and_move(transaction: Transaction, wanted: ComparedMove) -> int | None:
    """Move the pin and return its event's number; None, and nothing written, if it has changed."""
    pin = _pin_parameters(transaction, wanted)
    history = history_values(transaction, wanted.seen, wanted.before, wanted.target, wanted.move)
    connection = transaction.connection
    if transaction.engine is EngineKind.POSTGRESQL:
        parameters = {
            **pin,
            **row_parameters(events, wanted.event),
            **row_parameters(chat_pin_history, history),
        }
        moved = (await connection.execute(MOVE_IN_ONE_STATEMENT, parameters)).first()
        event_id = None if moved is None else note_event(transaction, moved)
        await transaction.reach(Failpoint.MOVE_MOVE_PIN)
    else:
        event_id = await _move_step_by_step(transaction, pin, wanted.event, history)
    return event_id


def _pin_parameters(transaction: Transaction, wanted: ComparedMove) -> dict[str, Any]:
    seen = wanted.seen
    return {
        "seen_chat_id": seen.chat_id,
        "seen_revision": seen.revision,
        "seen_agent_id": seen.agent_id,
        "seen_is_archived": seen.is_archived,
        "pin_snapshot_id": wanted.target.id,
        "pin_revision": seen.revision + 1,
        "pin_pinned_at": transaction.now,
        "pin_error": None,
    }


async def _move_step_by_step(
    transaction: Transaction,
    pin: Mapping[str, Any],
    event: Mapping[str, Any],
    history: Mapping[str, Any],
) -> int | None:
    connection = transaction.connection
    if (await connection.execute(COMPARE, dict(pin))).rowcount == 0:
        return None
    await transaction.reach(Failpoint.MOVE_MOVE_PIN)
    writing = inserting_event(transaction.engine)
    told = await connection.execute(writing, row_parameters(events, event))
    event_id = note_event(transaction, told.one())
    await connection.execute(insert(chat_pin_history), {**history, "event_id": event_id})
    return event_id


__all__ = ["ComparedMove", "compare_and_move", "history_naming"]
