"""Several changes in one round trip, for those that do not look at each other's rows.

PostgreSQL takes all of them in one statement, and checks foreign keys at its end. SQLite has no
writing statements inside WITH, and no round trips either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Delete,
    Insert,
    Table,
    Update,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy.engine import CursorResult
from sqlalchemy.sql.dml import ReturningInsert

from driftpin.store.database import Transaction

Change = Insert | Update | Delete | ReturningInsert[Any]


@dataclass(frozen=True, slots=True)
class Changes:
    """Statements built once; only the last one may return rows."""

    one_by_one: tuple[Change, ...]
    at_once: Change


def together(*changes: Change) -> Changes:
    """Join changes none of which sees what the others do; the last one gives the result."""
    *before, last = changes
    steps = [change.cte(f"change_{number}") for number, change in enumerate(before)]
    return Changes(changes, last.add_cte(*steps) if steps else last)


async def carry_out(
    transaction: Transaction, changes: Changes, parameters: Mapping[str, Any]
) -> CursorResult[Any]:
    """Make the changes; parameters are named by `row_parameters`, or as the statements say."""
    values = dict(parameters)
    if transaction.is_shared:
        return await transaction.connection.execute(changes.at_once, values)
    *before, last = changes.one_by_one
    for change in before:
        await transaction.connection.execute(change, values)
    return await transaction.connection.execute(last, values)


def inserting(table: Table, *names: str) -> Insert:
    """Return an insert of one row whose parameters do not meet those of another table."""
    return insert(table).values({name: parameter_of(table, name) for name in names})


def parameter_of(table: Table, name: str) -> Any:
    """Return the parameter that stands for a column's value."""
    return bindparam(_key(table, name), type_=table.c[name].type)


def next_number(column: Column[int], within: Column[Any]) -> ColumnElement[int]:
    """Return one more than the highest number among the rows that share the parameter `within`.

    Whoever inserts it holds a lock, so that nobody else takes the same.
    """
    same = within == parameter_of(within.table, within.name)
    return select(func.coalesce(func.max(column), 0) + 1).where(same).scalar_subquery()


def row_parameters(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's values under the names of their parameters."""
    return {_key(table, name): value for name, value in row.items()}


def _key(table: Table, name: str) -> str:
    return f"{table.name}_{name}"


__all__ = [
    "Changes",
    "carry_out",
    "inserting",
    "next_number",
    "parameter_of",
    "row_parameters",
    "together",
]
