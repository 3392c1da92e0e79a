"""The seam: what a statement may ask of the engine it runs on."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import Column, ColumnElement, Insert, Table
from sqlalchemy import Row as SqlRow
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.identity import Digest
from driftpin.store.dialects.postgresql import PostgresDialect
from driftpin.store.dialects.sqlite import SqliteDialect
from driftpin.store.engines import EngineKind

Row = Mapping[str, Any]
NO_TIME: Final = timedelta()


class Dialect(Protocol):
    """What differs between the engines."""

    def is_one_of(self, column: ColumnElement[Any], ids: Sequence[str]) -> ColumnElement[bool]:
        """Whether the id column has one of these values; one parameter, however many they are."""

    def is_listed(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Do the same in a statement that is built once; `name` is of its `list_parameter`."""

    def list_parameter(self, ids: Sequence[str]) -> Any:
        """Return the ids as what `is_listed` compares with."""

    def is_digest_of(
        self, column: ColumnElement[Any], digests: Sequence[Digest]
    ) -> ColumnElement[bool]:
        """Whether the digest column has one of these values."""

    def is_listed_digest(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Do the same in a statement that is built once; `name` is of a list of digests."""

    def transaction_number(self) -> ColumnElement[int]:
        """Return the writing transaction's place in the order of events."""

    def horizon(self) -> ColumnElement[int]:
        """Return the number below which every transaction has ended."""

    def present(self, given: datetime, later: timedelta = NO_TIME) -> ColumnElement[datetime]:
        """Return the present instant, or one `later`, by the clock that every writer shares.

        `given` is what the calling process takes it for.
        """

    def is_held(self, lease_until: ColumnElement[datetime]) -> ColumnElement[bool]:
        """Whether a lease on what a process holds has not run out."""

    def insert_new(self, table: Table) -> Insert:
        """Return an insert that leaves a row alone whose key is taken."""

    async def continue_numbers(self, connection: AsyncConnection, table: Table) -> None:
        """Go on numbering behind the highest id of a table whose ids the engine gives out."""

    async def insert_rows(
        self,
        connection: AsyncConnection,
        table: Table,
        rows: Sequence[Row],
        returning: Sequence[Column[Any]] = (),
    ) -> Sequence[SqlRow[*tuple[Any, ...]]]:
        """Insert the rows in one statement; those whose key is taken are left as they are.

        Returns these columns of the rows that were inserted, in any order.
        """


def dialect_of(connection: AsyncConnection) -> Dialect:
    """Return the dialect that the connection speaks."""
    return dialect_for(EngineKind(connection.dialect.name))


def dialect_for(engine: EngineKind) -> Dialect:
    """Return the dialect of an engine, for a statement that is built once."""
    return SqliteDialect() if engine is EngineKind.SQLITE else PostgresDialect()


__all__ = ["Dialect", "dialect_for", "dialect_of"]
