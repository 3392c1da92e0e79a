"""One database, two engines: how connections are opened, written through, and retried.

SQLite has one writing connection, which begins IMMEDIATE (a deferred transaction that turns into a
writer is refused at once, whatever the timeout), and read-only connections beside it that never
checkpoint. PostgreSQL runs at READ COMMITTED; what needs more takes a row lock and reads again.
"""

import asyncio
import copy
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import URL, event, func, make_url, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from driftpin import limits
from driftpin.clock import Clock
from driftpin.errors import Unavailable, UsageError
from driftpin.failpoints import Reach, pass_by
from driftpin.identity import IdSource
from driftpin.store.failures import is_retryable, unavailable_from

Outcome = TypeVar("Outcome")
RETRY_FIRST_S: Final = 0.005
RETRY_LONGEST_S: Final = 0.25
POOL_SIZE: Final = 16
WAL_TRIES_MAX: Final = 50
WAL_RETRY_S: Final = 0.01


class EngineKind(StrEnum):
    """The two engines that driftpin runs on."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@dataclass(slots=True)
class Transaction:
    """One writing transaction. An operation gets it, uses it, and never keeps it.

    `now` is one instant for the whole operation. `has_events` is set by `store.events` when an
    event row was written, so that readers are woken after the commit. `reach` passes a failpoint.
    """

    connection: AsyncConnection
    now: datetime
    ids: IdSource
    engine: EngineKind
    reach: Reach = field(default=pass_by)
    has_events: bool = field(default=False)

    @property
    def is_shared(self) -> bool:
        """Whether other processes may use the database at the same time."""
        return self.engine is EngineKind.POSTGRESQL


Around = Callable[[Transaction, Callable[[Transaction], Awaitable[Any]]], Awaitable[Any]]


class Database:
    """Opens connections, runs transactions, retries what the engine asks to retry."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        ids: IdSource,
        pool_size: int = POOL_SIZE,
        reach: Reach = pass_by,
    ) -> None:
        """Prepare engines for `sqlite:///path` or `postgresql://…`; nothing is opened yet."""
        self.reach = reach
        parsed = make_url(url)
        self.engine_kind = _engine_kind(parsed)
        self._clock = clock
        self._ids = ids
        self._after_commit: Callable[[], None] = _nothing
        self._around: Around = _just_run
        if self.engine_kind is EngineKind.SQLITE:
            self._writer = _sqlite_engine(parsed, is_writer=True, pool_size=1)
            self._reader = _sqlite_engine(parsed, is_writer=False, pool_size=4)
        else:
            self._writer = _postgres_engine(parsed, pool_size)
            # The same connections. At READ COMMITTED every statement looks afresh anyway, so BEGIN
            # and ROLLBACK around a read would be two round trips for nothing.
            self._reader = self._writer.execution_options(isolation_level="AUTOCOMMIT")
        self.url = parsed

    @property
    def clock(self) -> Clock:
        """The clock that stamps transactions."""
        return self._clock

    def announce_commits_to(self, announce: Callable[[], None]) -> None:
        """Call `announce` after each commit that recorded an event; it must not block."""
        self._after_commit = announce

    def joined_by(self, around: Around) -> "Database":
        """Return this same database, with `around` run inside every transaction it writes.

        `around` gets the transaction and the operation, runs the operation or raises, and returns
        what it returned: what it writes itself commits, or rolls back, with the operation.
        """
        view = copy.copy(self)
        view._around = around  # noqa: SLF001 a view is a Database too
        return view

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection for reading; on SQLite it sees one consistent state throughout."""
        try:
            async with self._reader.connect() as connection:
                yield connection
        except (DBAPIError, PoolTimeoutError, OSError) as failure:
            raise unavailable_from(failure) from failure

    @asynccontextmanager
    async def read_one_instant(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection that sees the state of its first statement for as long as it takes.

        For reading everything; nobody who writes waits for it.
        """
        is_shared = self.engine_kind is EngineKind.POSTGRESQL
        reader = (
            self._writer.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            if is_shared
            else self._reader
        )
        try:
            async with reader.connect() as connection:
                if is_shared:
                    await _wait_for_ever(connection)
                yield connection
        except (DBAPIError, PoolTimeoutError, OSError) as failure:
            raise unavailable_from(failure) from failure

    @asynccontextmanager
    async def replace_all(self) -> AsyncIterator[Transaction]:
        """Give one transaction that may take any time and change any table; never run again."""
        try:
            async with self._writer.begin() as connection:
                transaction = self._transaction(connection)
                if transaction.is_shared:
                    await _wait_for_ever(connection)
                yield transaction
        except (DBAPIError, PoolTimeoutError) as failure:
            raise unavailable_from(failure) from failure

    async def write(self, operation: Callable[[Transaction], Awaitable[Outcome]]) -> Outcome:
        """Run `operation` in one transaction and commit it; return what it returned.

        After a serialization failure or a deadlock the whole operation runs again, with jitter,
        until it succeeds or the deadline passes, so it must read everything afresh and keep
        nothing between runs. Raises Unavailable when the storage cannot be had; any other
        exception rolls back and passes through.
        """
        deadline_s = self._clock.monotonic_s() + limits.OPERATION_DEADLINE_S
        for attempt in range(limits.OPERATION_TRIES_MAX):
            try:
                return await self._write_once(operation)
            except DBAPIError as failure:
                is_late = self._clock.monotonic_s() >= deadline_s
                if is_late or not is_retryable(failure):
                    raise unavailable_from(failure) from failure
            except (PoolTimeoutError, OSError) as failure:
                raise unavailable_from(failure) from failure
            longest_s = min(RETRY_LONGEST_S, RETRY_FIRST_S * 2**attempt)
            await asyncio.sleep(random.uniform(0, longest_s))  # noqa: S311 jitter, not a secret
        raise Unavailable("The storage is busy; try again.", code="storage_busy")

    async def _write_once(self, operation: Callable[[Transaction], Awaitable[Outcome]]) -> Outcome:
        async with self._writer.begin() as connection:
            transaction = self._transaction(connection)
            outcome: Outcome = await self._around(transaction, operation)
        if transaction.has_events:
            self._after_commit()
        return outcome

    def _transaction(self, connection: AsyncConnection) -> Transaction:
        return Transaction(
            connection=connection,
            now=self._clock.now(),
            ids=self._ids,
            engine=self.engine_kind,
            reach=self.reach,
        )

    @asynccontextmanager
    async def connect_for_schema(self) -> AsyncIterator[AsyncConnection]:
        """Give the writing engine's connection to migrations, outside any retry."""
        async with self._writer.connect() as connection:
            yield connection

    async def close(self) -> None:
        """Close every connection; running transactions are rolled back."""
        await self._writer.dispose()
        await self._reader.dispose()


async def _wait_for_ever(connection: AsyncConnection) -> None:
    """Lift PostgreSQL's timeouts until the end of the transaction."""
    lifted = [
        func.set_config(f"{name}_timeout", "0", True)  # noqa: FBT003 an SQL function's own flag
        for name in ("statement", "idle_in_transaction_session")
    ]
    await connection.execute(select(*lifted))


async def _just_run(
    transaction: Transaction, operation: Callable[[Transaction], Awaitable[Outcome]]
) -> Outcome:
    return await operation(transaction)


def _nothing() -> None:
    """Announce to nobody."""


def _engine_kind(url: URL) -> EngineKind:
    name = url.get_backend_name()
    if name == EngineKind.SQLITE:
        return EngineKind.SQLITE
    if name in ("postgresql", "postgres"):
        return EngineKind.POSTGRESQL
    raise UsageError(
        f"{name!r} is not a database that driftpin knows; "
        "use sqlite:///path/to/file or postgresql://user@host/name.",
        code="bad_database_url",
    )


def _sqlite_engine(url: URL, *, is_writer: bool, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        pool_size=pool_size,
        max_overflow=0 if is_writer else 4,
        pool_timeout=limits.STORAGE_BUSY_TIMEOUT_S,
        connect_args={"timeout": limits.STORAGE_BUSY_TIMEOUT_S},
    )
    pragmas = _sqlite_pragmas(is_writer=is_writer)

    def prepare(connection: Any, _record: Any) -> None:
        # The driver must not begin by itself: the begin event below says how.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        if is_writer:
            _write_ahead(cursor)
        cursor.close()

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", begin)
    return engine


def _sqlite_pragmas(*, is_writer: bool) -> tuple[str, ...]:
    busy_ms = int(limits.STORAGE_BUSY_TIMEOUT_S * 1000)
    shared = (f"busy_timeout={busy_ms}", "foreign_keys=ON", "temp_store=MEMORY")
    if is_writer:
        # Anything below FULL loses acknowledged pushes in a power cut.
        return ("synchronous=FULL", *shared)
    return (*shared, "query_only=ON", "wal_autocheckpoint=0")


def _write_ahead(cursor: Any) -> None:
    """Keep the database's log ahead of it.

    SQLite refuses this at once, whatever the busy timeout, while another process does the same to
    a database that is just being made; a moment later it is done.
    """
    for _ in range(WAL_TRIES_MAX):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            time.sleep(WAL_RETRY_S)
        else:
            return
    cursor.execute("PRAGMA journal_mode=WAL")


def _postgres_engine(url: URL, pool_size: int) -> AsyncEngine:
    timeout_ms = str(int(limits.OPERATION_DEADLINE_S * 1000))
    return create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=limits.OPERATION_DEADLINE_S,
        isolation_level="READ COMMITTED",
        connect_args={
            "timeout": limits.OPERATION_DEADLINE_S,
            "server_settings": {
                "application_name": "driftpin",
                "statement_timeout": timeout_ms,
                "lock_timeout": timeout_ms,
                "idle_in_transaction_session_timeout": timeout_ms,
            },
        },
    )


def sqlite_path(url: URL) -> Path | None:
    """Return the file of an SQLite database, or None for another engine or one in memory."""
    is_file = url.get_backend_name() == EngineKind.SQLITE and url.database not in (None, ":memory:")
    return Path(str(url.database)) if is_file else None


__all__ = ["Database", "EngineKind", "Transaction", "sqlite_path"]
