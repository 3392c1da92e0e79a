"""A database's rows as its plain driver gives them: nothing that the product reads with is used."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

import asyncpg
from sqlalchemy import Column, Table

from driftpin.store.column_types import Bytes, Flag, Id, Instant, Sha256
from driftpin.store.tables import metadata

Rows = Mapping[str, list[SimpleNamespace]]
Query = Callable[[str], list[Any]]

READ: Final = (
    *("agents", "agent_heads", "blobs", "chats", "chat_holds", "chat_pins", "chat_pin_history"),
    *("chat_shares", "events", "receipts", "snapshot_entries", "snapshots", "turns", "workspaces"),
)
# Rows of these never change, so those that were read once need not be read again.
ONLY_NEW: Final = frozenset({"blobs", "events"})
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RawTable:
    """How a table is read; `converters` turn both engines' values into the same ones."""

    name: str
    columns: tuple[str, ...]
    converters: tuple[Callable[[Any], Any] | None, ...]

    def rows(self, query: Query, condition: str = "") -> list[SimpleNamespace]:
        """Return the rows that meet the condition, in the order of their keys."""
        listed = ", ".join(f'"{column}"' for column in self.columns)
        order = ", ".join(f'"{column.name}"' for column in metadata.tables[self.name].primary_key)
        found = query(f'SELECT {listed} FROM "{self.name}" {condition} ORDER BY {order}')
        return [self._row(row) for row in found]

    def _row(self, row: Any) -> SimpleNamespace:
        values = (
            value if convert is None or value is None else convert(value)
            for value, convert in zip(row, self.converters, strict=True)
        )
        return SimpleNamespace(**dict(zip(self.columns, values, strict=True)))


def _raw_table(table: Table) -> RawTable:
    columns = tuple(table.columns)
    return RawTable(
        table.name,
        tuple(column.name for column in columns),
        tuple(_converter(column) for column in columns),
    )


def _converter(column: Column[Any]) -> Callable[[Any], Any] | None:
    match column.type:
        case Sha256():
            return lambda value: f"sha256:{bytes(value).hex()}"
        case Id():
            return str
        case Instant():
            return _instant
        case Flag():
            return bool
        case Bytes():
            return bytes
        case _:
            return None


def _instant(value: int | datetime) -> datetime:
    if isinstance(value, int):
        return EPOCH + timedelta(microseconds=value)
    return value.astimezone(UTC)


TABLES: Final = {name: _raw_table(metadata.tables[name]) for name in READ}


def read_rows(query: Query, after: Mapping[str, int]) -> Rows:
    """Return all rows of all tables; of those in `ONLY_NEW` just those behind a number."""
    return {
        name: table.rows(query, f"WHERE id > {after[name]}" if name in ONLY_NEW else "")
        for name, table in TABLES.items()
    }


@dataclass(slots=True)
class RawDatabase:
    """A connection of the plain driver, opened when it is first used."""

    url: str
    runner: asyncio.Runner
    _sqlite: sqlite3.Connection | None = None
    _postgres: Any = None

    def query(self, statement: str) -> list[Any]:
        """Return the rows of one statement."""
        if self.url.startswith("sqlite"):
            if self._sqlite is None:
                self._sqlite = sqlite3.connect(self.url.removeprefix("sqlite:///"))
            return self._sqlite.execute(statement).fetchall()
        if self._postgres is None:
            self._postgres = self.runner.run(asyncpg.connect(self.url))
        found: list[Any] = self.runner.run(self._postgres.fetch(statement))
        return found

    def close(self) -> None:
        """Close the connection."""
        if self._sqlite is not None:
            self._sqlite.close()
        if self._postgres is not None:
            self.runner.run(self._postgres.close())


__all__ = ["RawDatabase", "Rows", "read_rows"]
