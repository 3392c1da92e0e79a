"""Putting the rows of a backup in the place of a whole database, inside one transaction."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    Table,
    bindparam,
    column,
    delete,
    func,
    insert,
    inspect,
    select,
    table,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin import limits
from driftpin.events.event import EventKind
from driftpin.store.archive.format import Header, TableHead, Value, open_archive
from driftpin.store.archive.rows import as_parameters, kept_tables, table_of
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.event_order import REMOVED_TO, RESTORE_EPOCH
from driftpin.store.schema import VERSION_TABLE, drop_views
from driftpin.store.tables import (
    agent_runs,
    agents,
    chat_pin_history,
    deployment,
    events,
    users,
    workspaces,
)
from driftpin.store.tables.metadata import metadata
from driftpin.store.writing.events import event_values

Rows = list[dict[str, Any]]
PER_EPOCH: Final = limits.INCARNATIONS_PER_EPOCH_MAX


async def has_contents(connection: AsyncConnection) -> bool:
    """Whether anybody has used the database: it has a user or a workspace."""
    for used in (users, workspaces):
        is_there = await connection.run_sync(_has_table, used.name)
        if is_there and (await connection.execute(select(used.c.id).limit(1))).first():
            return True
    return False


async def find_epoch(connection: AsyncConnection) -> int:
    """Return the restore epoch of the database; 0 for one without tables."""
    if not await connection.run_sync(_has_table, deployment.name):
        return 0
    statement = select(deployment.c.content).where(deployment.c.name == RESTORE_EPOCH)
    return int((await connection.execute(statement)).scalar_one_or_none() or 0)


async def drop_everything(connection: AsyncConnection) -> None:
    """Drop every table of ours; those of others in the same database stay."""
    await connection.run_sync(drop_views)
    version = Table(VERSION_TABLE, MetaData(), Column("version_num"))
    await connection.run_sync(metadata.drop_all)
    await connection.run_sync(lambda sync: version.drop(sync, checkfirst=True))


async def insert_archive(connection: AsyncConnection, source: Path) -> Header:
    """Insert every row of the backup into empty tables, and return the backup's header.

    Rows may refer to later rows of their own table, so such references come in a second reading.
    """
    with open_archive(source) as archive:
        for head, rows in _batches(archive.lines()):
            later = _references_to_itself(head.name)
            held_back = [{**row, **dict.fromkeys(later)} for row in rows]
            await connection.execute(insert(table_of(head)), held_back)
    with open_archive(source) as archive:
        for head, rows in _batches(archive.lines()):
            if later := _references_to_itself(head.name):
                await _refer(connection, head, later, rows)
        return archive.header


async def begin_epoch(transaction: Transaction, epoch: int) -> None:
    """Begin a new time: no cursor, event or incarnation from before passes for one of this one."""
    connection = transaction.connection
    facts = deployment.c.name
    await connection.execute(delete(deployment).where(facts.in_([RESTORE_EPOCH, REMOVED_TO])))
    await connection.execute(insert(deployment).values(name=RESTORE_EPOCH, content=str(epoch)))
    for table_ in (agents, agent_runs):
        of_epoch = epoch * PER_EPOCH + table_.c.incarnation % PER_EPOCH
        await connection.execute(update(table_).values(incarnation=of_epoch))
    await _record_restore(transaction)
    for table_ in metadata.sorted_tables:
        await dialect_of(connection).continue_numbers(connection, table_)


async def _record_restore(transaction: Transaction) -> None:
    """Make the first event, behind every number that history rows know theirs by."""
    connection = transaction.connection
    newest = select(func.coalesce(func.max(chat_pin_history.c.event_id), 0))
    number = (await connection.execute(newest)).scalar_one() + 1
    values = event_values(transaction, EventKind.DEPLOYMENT_RESTORED)
    place = dialect_of(connection).transaction_number()
    await connection.execute(insert(events).values(id=number, transaction_id=place, **values))


async def count_other_sessions(connection: AsyncConnection) -> int:
    """Return how many other sessions of driftpin PostgreSQL has on this database."""
    sessions = table(
        "pg_stat_activity", column("pid"), column("datname"), column("application_name")
    )
    statement = (
        select(func.count())
        .select_from(sessions)
        .where(
            sessions.c.datname == func.current_database(),
            sessions.c.application_name == "driftpin",
            sessions.c.pid != func.pg_backend_pid(),
        )
    )
    return int((await connection.execute(statement)).scalar_one())


async def _refer(
    connection: AsyncConnection, head: TableHead, later: tuple[str, ...], rows: Rows
) -> None:
    referring = [
        {"the_id": row["id"], **{name: row[name] for name in later}}
        for row in rows
        if any(row[name] is not None for name in later)
    ]
    if referring:
        target = table_of(head)
        statement = update(target).where(target.c.id == bindparam("the_id"))
        await connection.execute(
            statement.values({name: bindparam(name) for name in later}), referring
        )


def _batches(lines: Iterable[TableHead | tuple[Value, ...]]) -> Iterator[tuple[TableHead, Rows]]:
    """Give the rows of each table, a bounded number at a time."""
    head: TableHead | None = None
    remaining = iter(lines)
    while some := list(islice(remaining, limits.BACKUP_ROWS_AT_ONCE)):
        rows: Rows = []
        for line in some:
            if isinstance(line, TableHead):
                if head is not None and rows:
                    yield head, rows
                head, rows = line, []
            else:
                assert head is not None, "rows follow the head of their table"
                rows.append(as_parameters(head, line))
        if head is not None and rows:
            yield head, rows


def _references_to_itself(name: str) -> tuple[str, ...]:
    known: Mapping[str, Table] = {table_.name: table_ for table_ in kept_tables()}
    if name not in known:
        return ()
    return tuple(
        each.name
        for each in known[name].columns
        if any(key.column.table is known[name] for key in each.foreign_keys)
    )


def _has_table(connection: Connection, name: str) -> bool:
    return inspect(connection).has_table(name)


__all__ = [
    "begin_epoch",
    "count_other_sessions",
    "drop_everything",
    "find_epoch",
    "has_contents",
    "insert_archive",
]
