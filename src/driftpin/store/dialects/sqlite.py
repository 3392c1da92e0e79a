"""SQLite: one writer at a time, so order and locks are what the file itself gives."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Insert,
    Row,
    Table,
    Text,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.identity import Digest
from driftpin.store.column_types import Instant


class SqliteDialect:
    """Ids are text and travel as one JSON array; digests are bytes, which JSON cannot hold."""

    def is_one_of(self, column: ColumnElement[Any], ids: Sequence[str]) -> ColumnElement[bool]:
        """Compare with the values of one JSON array."""
        listed = func.json_each(literal(self.list_parameter(ids))).table_valued("value")
        return column.in_(select(listed.c.value))

    def is_listed(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Compare with the values of one JSON array."""
        values = func.json_each(bindparam(name, type_=Text())).table_valued("value")
        return column.in_(select(values.c.value))

    def list_parameter(self, ids: Sequence[str]) -> str:
        """Return a JSON array."""
        return json.dumps(list(ids))

    def is_digest_of(
        self, column: ColumnElement[Any], digests: Sequence[Digest]
    ) -> ColumnElement[bool]:
        """Compare with a list of parameters; the engine takes 32,766 of them."""
        return column.in_(digests)

    def is_listed_digest(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Compare with a list of parameters, as many as there are."""
        return column.in_(bindparam(name, type_=column.type, expanding=True))

    def transaction_number(self) -> ColumnElement[int]:
        """Return zero: numbers of events commit in their order already."""
        return literal(0)

    def horizon(self) -> ColumnElement[int]:
        """Return one: every committed event lies below."""
        return literal(1)

    def present(self, given: datetime, later: timedelta = timedelta()) -> ColumnElement[datetime]:
        """Return the given instant: the one process that writes here has one clock."""
        return literal(given + later, Instant())

    def is_held(self, lease_until: ColumnElement[datetime]) -> ColumnElement[bool]:
        """Return whether there is a lease: the one process that holds any begins without."""
        return lease_until.is_not(None)

    def insert_new(self, table: Table) -> Insert:
        """Return an insert that leaves a row alone whose key is taken."""
        return insert(table).on_conflict_do_nothing()

    async def continue_numbers(self, connection: AsyncConnection, table: Table) -> None:
        """Do nothing: the engine itself goes on behind the highest id."""

    async def insert_rows(
        self,
        connection: AsyncConnection,
        table: Table,
        rows: Sequence[Mapping[str, Any]],
        returning: Sequence[Column[Any]] = (),
    ) -> Sequence[Row[*tuple[Any, ...]]]:
        """Insert row by row in one prepared statement, unless something is to come back."""
        if not rows:
            return ()
        statement = insert(table).on_conflict_do_nothing()
        if not returning:
            await connection.execute(statement, list(rows))
            return ()
        return (await connection.execute(statement.returning(*returning), list(rows))).all()


__all__ = ["SqliteDialect"]
