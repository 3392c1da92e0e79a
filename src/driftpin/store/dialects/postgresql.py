"""PostgreSQL 14 and later: arrays as parameters, transaction numbers that commit out of order."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Insert,
    Interval,
    Row,
    Table,
    TableValuedAlias,
    Text,
    any_,
    bindparam,
    cast,
    func,
    literal,
)
from sqlalchemy import select as sql_select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from driftpin.identity import Digest
from driftpin.store.column_types import Instant

# As many shapes of rows are inserted; a shape beyond costs the building of its statement.
STATEMENTS_KEPT_MAX: Final = 64


class PostgresDialect:
    """Statements keep one text whatever the number of values, so they are prepared once."""

    def is_one_of(self, column: ColumnElement[Any], ids: Sequence[str]) -> ColumnElement[bool]:
        """Compare with one array parameter."""
        return column == any_(literal(list(ids), ARRAY(column.type)))

    def is_listed(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Compare with one array parameter."""
        return column == any_(bindparam(name, type_=ARRAY(column.type)))

    def list_parameter(self, ids: Sequence[str]) -> list[str]:
        """Return an array."""
        return list(ids)

    def is_digest_of(
        self, column: ColumnElement[Any], digests: Sequence[Digest]
    ) -> ColumnElement[bool]:
        """Compare with one array parameter."""
        return column == any_(literal(list(digests), ARRAY(column.type)))

    def is_listed_digest(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Compare with one array parameter."""
        return self.is_listed(column, name)

    def transaction_number(self) -> ColumnElement[int]:
        """Return the transaction's 64-bit number, which never wraps."""
        return cast(cast(func.pg_current_xact_id(), Text), BigInteger)

    def horizon(self) -> ColumnElement[int]:
        """Return the oldest transaction that may still be running."""
        oldest = func.pg_snapshot_xmin(func.pg_current_snapshot())
        return cast(cast(oldest, Text), BigInteger)

    def present(
        self,
        given: datetime,  # noqa: ARG002 the clocks of replicas differ
        later: timedelta = timedelta(),
    ) -> ColumnElement[datetime]:
        """Return the server's own time, which is the same for every replica."""
        return cast(func.now() + literal(later, Interval()), Instant())

    def is_held(self, lease_until: ColumnElement[datetime]) -> ColumnElement[bool]:
        """Compare with the server's own time: the holder may have died without a word."""
        return lease_until > func.now()

    def insert_new(self, table: Table) -> Insert:
        """Return an insert that leaves a row alone whose key is taken."""
        return insert(table).on_conflict_do_nothing()

    def listed(
        self,
        columns: Sequence[Column[Any]],
        arrays: Sequence[ColumnElement[Any]],
        name: str = "listed",
    ) -> TableValuedAlias:
        """Return the rows that one array per column stands for."""
        return (
            func.unnest(*arrays)
            .table_valued(*(column.name for column in columns), name=name)
            .render_derived()
        )

    async def continue_numbers(self, connection: AsyncConnection, table: Table) -> None:
        """Set the sequence behind the table's id, if it has one."""
        counted = table.autoincrement_column
        if counted is None:
            return
        sequence = func.pg_get_serial_sequence(table.name, counted.name)
        highest = func.coalesce(func.max(counted), 0) + 1
        await connection.execute(sql_select(func.setval(sequence, highest, False)))  # noqa: FBT003 an SQL function's own flag

    async def insert_rows(
        self,
        connection: AsyncConnection,
        table: Table,
        rows: Sequence[Mapping[str, Any]],
        returning: Sequence[Column[Any]] = (),
    ) -> Sequence[Row[*tuple[Any, ...]]]:
        """Insert from one array per column."""
        if not rows:
            return ()
        names = tuple(rows[0])
        statement = _inserting(table, names, tuple(returning))
        lists = {f"all_{name}": [row[name] for row in rows] for name in names}
        inserted = await connection.execute(statement, lists)
        return inserted.all() if returning else ()


@lru_cache(maxsize=STATEMENTS_KEPT_MAX)
def _inserting(
    table: Table, names: tuple[str, ...], returning: tuple[Column[Any], ...]
) -> Insert | ReturningInsert[Any]:
    columns = [table.c[name] for name in names]
    arrays = [bindparam(f"all_{name}", type_=ARRAY(table.c[name].type)) for name in names]
    source = sql_select(PostgresDialect().listed(columns, arrays))
    statement = insert(table).from_select(names, source).on_conflict_do_nothing()
    return statement.returning(*returning) if returning else statement


__all__ = ["PostgresDialect"]
