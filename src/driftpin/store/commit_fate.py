"""What became of a transaction whose COMMIT was sent and not answered.

The connection broke in between, so it may be committed, rolled back, or still running. PostgreSQL
is asked on another connection, by the transaction's own number. Behind a crash of the database a
number that never reached its log may be given out again; so a transaction that recorded an event is
known by that event's row, and one that did not is known only as long as the database has not
started anew.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    DateTime,
    Row,
    Select,
    Text,
    cast,
    exists,
    func,
    literal,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import UserDefinedType

from driftpin.errors import StorageTrouble
from driftpin.store.failures import sql_state
from driftpin.store.tables import events

# PostgreSQL: the number is of the future, so what it was given to before is lost.
FUTURE_STATE: Final = "22023"
POLL_S: Final = 0.05


class Fate(StrEnum):
    """What is known of a transaction."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    RUNNING = "in progress"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Witness:
    """By what a transaction is known again: its number, and one event or the database's start."""

    number: int
    event_id: int | None = None
    at: datetime | None = None
    started_at: datetime | None = None


class Xid8(UserDefinedType[str]):
    """PostgreSQL's 64-bit number of a transaction."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return its name."""
        return "xid8"


STARTED_AT: Final = func.pg_postmaster_start_time(type_=DateTime(timezone=True))
# What a writing statement of a hot path can return beside its own, to spare a round trip.
WITNESS_COLUMNS: Final = (
    cast(cast(func.pg_current_xact_id_if_assigned(), Text), BigInteger).label("number"),
    STARTED_AT.label("started_at"),
)
TAKE: Final = select(*WITNESS_COLUMNS)


def witness_from(row: Row[int, datetime]) -> Witness:
    """Return what the transaction of a row is known by that ends with WITNESS_COLUMNS."""
    return Witness(row.number, started_at=row.started_at)


async def take_witness(connection: AsyncConnection) -> Witness | None:
    """Return what the connection's transaction is known by; None if it has written nothing."""
    row = (await connection.execute(TAKE)).one()
    return None if row.number is None else witness_from(row)


async def _find_fate(connection: AsyncConnection, witness: Witness) -> Fate:
    """Return what the database knows of the transaction at this moment."""
    try:
        status, is_told, started_at = (await connection.execute(_question(witness))).one()
    except DBAPIError as failure:
        if sql_state(failure) == FUTURE_STATE:
            return Fate.ABORTED
        raise
    if witness.event_id is None and started_at != witness.started_at:
        return Fate.UNKNOWN
    if status == Fate.COMMITTED and witness.event_id is not None and not is_told:
        return Fate.ABORTED
    return Fate.UNKNOWN if status is None else Fate(status)


async def was_committed(engine: AsyncEngine, witness: Witness, is_late: Callable[[], bool]) -> bool:
    """Find out what became of a commit that was not answered, asking until it is certain.

    Raises Unavailable (`outcome_unknown`) when it cannot be told, or not before it is late.
    """
    while True:
        try:
            async with engine.connect() as connection:
                fate = await _find_fate(connection, witness)
        except (DBAPIError, PoolTimeoutError, OSError):
            fate = Fate.RUNNING
        if fate in (Fate.COMMITTED, Fate.ABORTED):
            return fate is Fate.COMMITTED
        if fate is Fate.UNKNOWN or is_late():
            raise StorageTrouble(
                "The connection to the storage broke, and it is not known whether this was done; "
                "look before you try again.",
                code="outcome_unknown",
            )
        await asyncio.sleep(POLL_S)


def _question(witness: Witness) -> Select[Any]:
    number = cast(literal(str(witness.number), Text), Xid8)
    its_event = exists().where(
        events.c.id == witness.event_id,
        events.c.transaction_id == witness.number,
        events.c.at == witness.at,
    )
    return select(func.pg_xact_status(number), its_event, STARTED_AT)


__all__ = [
    "WITNESS_COLUMNS",
    "Witness",
    "take_witness",
    "was_committed",
    "witness_from",
]
