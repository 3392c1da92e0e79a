"""In which order events stand, and how far a reader may go.

PostgreSQL gives out numbers before their transactions commit, so a lower number may appear after a
higher one was read. Every event therefore carries its transaction's own number, and readers stop
below the oldest transaction that may still be running: nothing can be added below it any more. On
SQLite one transaction writes at a time, and numbers commit in order. A restore into a fresh server
starts transaction numbers again: it must remove all events and raise the restore epoch.
"""

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    bindparam,
    cast,
    func,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.errors import Gone
from driftpin.events.event import Position
from driftpin.store.dialects import dialect_for, dialect_of
from driftpin.store.engines import EngineKind
from driftpin.store.tables import deployment, events

# The name of the deployment's row that says how far events were removed.
REMOVED_TO: Final = "events_removed_to"
# The name of the row that says how often a backup was restored; every cursor carries it.
RESTORE_EPOCH: Final = "restore_epoch"
# The highest number among the events that were removed, which need not be the last one's.
REMOVED_HIGHEST: Final = "events_removed_highest"
BEGINNING: Final = Position(0, 0)
_PARTS: Final = ("transaction_id", "number")
_REMOVED: Final = select(deployment.c.content).where(deployment.c.name == REMOVED_TO)
_PLACE: Final = tuple_(events.c.transaction_id, events.c.id)


def is_behind(bound: str) -> ColumnElement[bool]:
    """Whether a row of `events` stands behind the position that `bounds` gives under this name."""
    return _PLACE > _bound(bound)


def is_up_to(bound: str) -> ColumnElement[bool]:
    """Whether a row of `events` stands at the position of this name or before it."""
    return _PLACE <= _bound(bound)


def bounds(**positions: Position) -> dict[str, int]:
    """Return positions as parameters of a statement that names them."""
    return {
        f"{name}_{part}": number
        for name, position in positions.items()
        for part, number in zip(_PARTS, (position.transaction_id, position.number), strict=True)
    }


def _bound(name: str) -> ColumnElement[Any]:
    transaction_id, number = (f"{name}_{part}" for part in _PARTS)
    return tuple_(
        bindparam(transaction_id, type_=events.c.transaction_id.type),
        bindparam(number, type_=events.c.id.type),
    )


async def find_window_end(
    connection: AsyncConnection, after: Position, longest: int
) -> Position | None:
    """Return where the next `longest` readable events behind `after` end; None if there are none.

    Whatever stands up to there has been committed, and nothing will be added.
    """
    statement = _window_end(EngineKind(connection.dialect.name))
    asked = bounds(after=after) | {"longest": longest}
    row = (await connection.execute(statement, asked)).first()
    return None if row is None else Position(row.transaction_id, row.id)


@lru_cache(maxsize=len(EngineKind))
def _window_end(engine: EngineKind) -> Select[Any]:
    window = (
        select(events.c.transaction_id, events.c.id)
        .where(is_behind("after"), events.c.transaction_id < dialect_for(engine).horizon())
        .order_by(events.c.transaction_id, events.c.id)
        .limit(bindparam("longest", type_=Integer))
        .subquery()
    )
    return (
        select(window.c.transaction_id, window.c.id)
        .order_by(window.c.transaction_id.desc(), window.c.id.desc())
        .limit(1)
    )


async def refuse_gap(connection: AsyncConnection, after: Position) -> None:
    """Refuse to go on behind `after` if events behind it were removed; ask once they were read.

    A reader that is connected may fall behind retention like one that comes back. Raises Gone
    (`resync_required`).
    """
    if after < await _removed_to(connection):
        raise resync_required()


def resync_required() -> Gone:
    """Return the refusal of a cursor from which no stream can go on without a gap."""
    return Gone(
        "The events behind this cursor are not known; read everything again and begin without one.",
        code="resync_required",
    )


async def read_bounds(connection: AsyncConnection) -> tuple[Position, Position]:
    """Return how far events were removed, and the newest readable position.

    A reader that stands between the two, both included, can go on without a gap.
    """
    first = await _removed_to(connection)
    newest = (
        select(events.c.transaction_id, func.max(events.c.id).label("number"))
        .where(events.c.transaction_id < dialect_of(connection).horizon())
        .group_by(events.c.transaction_id)
        .order_by(events.c.transaction_id.desc())
        .limit(1)
    )
    row = (await connection.execute(newest)).first()
    return first, (first if row is None else Position(row.transaction_id, row.number))


async def _removed_to(connection: AsyncConnection) -> Position:
    content: str | None = (await connection.execute(_REMOVED)).scalar_one_or_none()
    return BEGINNING if content is None else read_position(content)


def highest_removed() -> ScalarSelect[int]:
    """Choose the highest number among the removed events; nothing if none was ever removed."""
    kept = select(cast(deployment.c.content, BigInteger))
    return kept.where(deployment.c.name == REMOVED_HIGHEST).scalar_subquery()


def write_position(position: Position) -> str:
    """Return the position as it is kept."""
    return f"{position.transaction_id},{position.number}"


def read_position(content: str) -> Position:
    """Return what `write_position` wrote."""
    transaction_id, number = content.split(",")
    return Position(int(transaction_id), int(number))


__all__ = [
    "BEGINNING",
    "REMOVED_HIGHEST",
    "REMOVED_TO",
    "RESTORE_EPOCH",
    "bounds",
    "find_window_end",
    "highest_removed",
    "is_behind",
    "is_up_to",
    "read_bounds",
    "read_position",
    "refuse_gap",
    "resync_required",
    "write_position",
]
