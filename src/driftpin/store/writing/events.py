"""Events are recorded inside the transaction that makes the change, and announced after it."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Row, delete, func, select, tuple_
from sqlalchemy.sql.dml import ReturningInsert

from driftpin.events.event import EventKind, Payload, Position
from driftpin.identity import AgentId, ChatId, UserId, WorkspaceId
from driftpin.store.commit_fate import Witness
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.dialects import dialect_for, dialect_of
from driftpin.store.event_order import (
    REMOVED_HIGHEST,
    REMOVED_TO,
    highest_removed,
    write_position,
)
from driftpin.store.tables import events
from driftpin.store.writing.accounts import put_fact
from driftpin.store.writing.together import inserting, row_parameters

EVENT_COLUMNS: Final = tuple(
    column.name for column in events.c if column.name not in ("id", "transaction_id")
)
NO_PAYLOAD: Mapping[str, str] = {}


async def record_event(
    transaction: Transaction,
    kind: EventKind,
    *,
    workspace_id: WorkspaceId | None = None,
    chat_id: ChatId | None = None,
    agent_id: AgentId | None = None,
    owner_id: UserId | None = None,
    payload: Payload = NO_PAYLOAD,
) -> int:
    """Write one event and return its number; readers are woken once the transaction commits.

    With `chat_id` whoever may read that chat may read the event, without it whoever may see the
    workspace. `owner_id` names one who may read it even when the chat is gone. The payload holds
    ids, digests and revisions.
    """
    values = event_values(
        transaction,
        kind,
        workspace_id=workspace_id,
        chat_id=chat_id,
        agent_id=agent_id,
        owner_id=owner_id,
        payload=payload,
    )
    parameters = row_parameters(events, values)
    written = await transaction.connection.execute(inserting_event(transaction.engine), parameters)
    return note_event(transaction, written.one())


@lru_cache(maxsize=len(EngineKind))
def inserting_event(engine: EngineKind) -> ReturningInsert[tuple[int, int]]:
    """Return what writes an event of `event_values`; its row is for `note_event`."""
    number = dialect_for(engine).transaction_number()
    return (
        inserting(events, *EVENT_COLUMNS)
        .values(transaction_id=number)
        .returning(events.c.id, events.c.transaction_id)
    )


def note_event(transaction: Transaction, row: Row[Any]) -> int:
    """Return the number of an event that was written; readers are woken after the commit."""
    transaction.has_events = True
    transaction.witness = Witness(row.transaction_id, row.id, transaction.now)
    event_id: int = row.id
    return event_id


def event_values(
    transaction: Transaction,
    kind: EventKind,
    *,
    workspace_id: WorkspaceId | None = None,
    chat_id: ChatId | None = None,
    agent_id: AgentId | None = None,
    owner_id: UserId | None = None,
    payload: Payload = NO_PAYLOAD,
) -> dict[str, Any]:
    """Return the row of an event, for a statement that writes more than the event."""
    return {
        "kind": kind.value,
        "workspace_id": workspace_id,
        "chat_id": chat_id,
        "agent_id": agent_id,
        "owner_id": owner_id,
        "payload": json.dumps(dict(payload), sort_keys=True, separators=(",", ":")),
        "at": transaction.now,
    }


async def remove_events(transaction: Transaction, *, before: datetime, limit: int) -> int:
    """Remove up to `limit` of the oldest events, all older than `before`; return how many.

    The newest event always stays, so that numbers are never given twice, and so do those that no
    reader could read yet. How far was removed is kept, so that a reader that stood behind it is
    told to begin anew.
    """
    place = tuple_(events.c.transaction_id, events.c.id)
    newest = select(func.max(events.c.id)).scalar_subquery()
    oldest = (
        select(events.c.transaction_id, events.c.id, events.c.at)
        .where(
            events.c.id != newest,
            events.c.transaction_id < dialect_of(transaction.connection).horizon(),
        )
        .order_by(events.c.transaction_id, events.c.id)
        .limit(limit)
    )
    rows = (await transaction.connection.execute(oldest)).all()
    expired = 0
    while expired < len(rows) and rows[expired].at < before:
        expired += 1
    if expired == 0:
        return 0
    last = Position(rows[expired - 1].transaction_id, rows[expired - 1].id)
    reached = tuple_(last.transaction_id, last.number)
    removing = delete(events).where(place <= reached, events.c.id != newest)
    removed = await transaction.connection.execute(removing.returning(events.c.id))
    await put_fact(transaction, REMOVED_TO, write_position(last))
    highest = max(removed.scalars(), default=0)
    so_far = await transaction.connection.scalar(select(highest_removed()))
    await put_fact(transaction, REMOVED_HIGHEST, str(max(highest, so_far or 0)))
    return expired


__all__ = [
    "EVENT_COLUMNS",
    "event_values",
    "inserting_event",
    "note_event",
    "record_event",
    "remove_events",
]
