"""Rows as a backup keeps them, and tables as a backup describes them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Column, Integer, MetaData, Row, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from driftpin import limits
from driftpin.store.archive.format import ArchiveWriter, ColumnKind, TableHead, Value
from driftpin.store.column_types import EPOCH, Bytes, Flag, Id, Instant, Number, Sha256
from driftpin.store.tables import agent_links, events
from driftpin.store.tables.metadata import metadata

# Events say what happened to those who listened, and links who is connected; after a restore
# everybody reads and connects anew.
LEFT_OUT: Final = frozenset({events.name, agent_links.name})
_TYPES: Final[Mapping[ColumnKind, TypeEngine[Any]]] = {
    ColumnKind.ID: Id(),
    ColumnKind.TEXT: Text(),
    ColumnKind.NUMBER: Number,
    ColumnKind.FLAG: Flag(),
    ColumnKind.INSTANT: Instant(),
    ColumnKind.DIGEST: Sha256(),
    ColumnKind.BYTES: Bytes(),
}
_KINDS: Final = (
    (Id, ColumnKind.ID),
    (Sha256, ColumnKind.DIGEST),
    (Instant, ColumnKind.INSTANT),
    (Bytes, ColumnKind.BYTES),
    (Flag, ColumnKind.FLAG),
    (Integer, ColumnKind.NUMBER),
    (Text, ColumnKind.TEXT),
)
MICROSECOND: Final = timedelta(microseconds=1)


def kept_tables() -> list[Table]:
    """Return the tables of a backup, each behind those that it refers to."""
    return [table for table in metadata.sorted_tables if table.name not in LEFT_OUT]


def head_of(table: Table) -> TableHead:
    """Return how a backup describes the table."""
    return TableHead(
        table.name, tuple((column.name, _kind_of(column.type)) for column in table.columns)
    )


def table_of(head: TableHead) -> Table:
    """Return a table to insert into, as the backup describes it."""
    columns = [Column(name, _TYPES[kind]) for name, kind in head.columns]
    return Table(head.name, MetaData(), *columns)


def as_parameters(head: TableHead, row: tuple[Value, ...]) -> dict[str, Any]:
    """Return the parameters that insert a row of a backup."""
    pairs = zip(head.columns, row, strict=True)
    return {name: _from_backup(value, kind) for (name, kind), value in pairs}


async def write_tables(connection: AsyncConnection, archive: ArchiveWriter) -> dict[str, int]:
    """Write every kept table, as this connection sees it, a few rows at a time; return counts."""
    counts = {}
    for table in kept_tables():
        head = head_of(table)
        archive.begin_table(head)
        counts[table.name] = 0
        statement = select(table).order_by(*table.primary_key.columns)
        some = {"yield_per": limits.BACKUP_ROWS_AT_ONCE}
        async with connection.stream(statement, execution_options=some) as rows:
            async for row in rows:
                archive.add(_as_kept(head, row))
                counts[table.name] += 1
        archive.end_table()
    return counts


def _as_kept(head: TableHead, row: Row[Any]) -> list[Value]:
    pairs = zip(head.columns, row, strict=True)
    return [_to_backup(value, kind) for (_, kind), value in pairs]


def _to_backup(value: Any, kind: ColumnKind) -> Value:
    if kind is not ColumnKind.INSTANT or value is None:
        kept: Value = value
        return kept
    return int((value - EPOCH) // MICROSECOND)


def _from_backup(value: Any, kind: ColumnKind) -> Any:
    if kind is not ColumnKind.INSTANT or value is None:
        return value
    return EPOCH + value * MICROSECOND


def _kind_of(column_type: TypeEngine[Any]) -> ColumnKind:
    fitting = (kind for family, kind in _KINDS if isinstance(column_type, family))
    kind = next(fitting, None)
    assert kind is not None, f"a backup has no kind for {column_type!r}"
    return kind


__all__ = ["as_parameters", "head_of", "kept_tables", "table_of", "write_tables"]
