"""One database, two engines: how connections are opened, written through, and retried.

SQLite has one writing connection, which begins IMMEDIATE (a deferred transaction that turns into a
writer is refused at once, whatever the timeout), and read-only connections beside it that never
checkpoint. PostgreSQL runs at READ COMMITTED; what needs more takes a row lock and reads again.
"""

import asyncio
import copy
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import URL, func, make_url, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import QueuePool

from driftpin import limits
from driftpin.clock import Clock
from driftpin.errors import StorageTrouble
from driftpin.failpoints import Reach, pass_by
from driftpin.identity import IdSource
from driftpin.spans import NO_SPANS, Spans
from driftpin.store.commit_fate import Witness, take_witness, was_committed
from driftpin.store.engines import (
    Connect,
    EngineKind,
    engine_kind_of,
    postgres_engine,
    sqlite_engine,
)
from driftpin.store.failures import is_connection_lost, unavailable_from
from driftpin.store.patience import Patience
from driftpin.store.values import Quotas

Outcome = TypeVar("Outcome")
POOL_SIZE: Final = 16
NO_QUOTAS: Final = Quotas()
# What keeps turns and agents alive never queues behind everything else.
HEARTBEAT_POOL_SIZE: Final = 2


@dataclass(slots=True)
class Transaction:
    """One writing transaction. An operation gets it, uses it, and never keeps it.

    `now` is one instant for the whole operation. `has_events` is set when there is something to
    read, so that readers are woken after the commit; `frees_no_turn` by a step of a turn after
    which no other can be claimed than before, so no worker need look. `witness` is by what it is
    known again if its commit is not answered; whoever records an event gives it. `reach` passes a
    failpoint.
    """

    connection: AsyncConnection
    now: datetime
    ids: IdSource
    engine: EngineKind
    reach: Reach = field(default=pass_by)
    quotas: Quotas = field(default=NO_QUOTAS)
    has_events: bool = field(default=False)
    frees_no_turn: bool = field(default=False)
    witness: Witness | None = field(default=None)

    @property
    def is_shared(self) -> bool:
        """Whether other processes may use the database at the same time."""
        return self.engine is EngineKind.POSTGRESQL


@dataclass(frozen=True, slots=True)
class _Ended(Generic[Outcome]):
    """A transaction whose operation went well; `is_answered` says whether its commit was."""

    outcome: Outcome
    transaction: Transaction
    is_answered: bool


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
        quotas: Quotas = NO_QUOTAS,
        wait_s: float = limits.OPERATION_DEADLINE_S,
        read_longest_s: float = limits.READ_LONGEST_S,
        connect: Connect | None = None,
        spans: Spans = NO_SPANS,
    ) -> None:
        """Prepare engines for `sqlite:///path` or `postgresql://…`; nothing is opened yet.

        Nobody waits longer than `wait_s` for a connection, a lock or a statement, and nobody holds
        a connection for reading longer than `read_longest_s`. `connect` opens SQLite's connections
        in place of its driver.
        """
        self.reach = reach
        self.quotas = quotas
        self.spans = spans
        # Shared by every view of this database.
        self._retries: Counter[str] = Counter()
        parsed = make_url(url)
        self.engine_kind = engine_kind_of(parsed)
        self._wait_s = wait_s
        self._read_longest_s = read_longest_s
        self._clock = clock
        self._ids = ids
        self._after_commit: Callable[[], None] = _nothing
        self._after_step: Callable[[], None] = _nothing
        self._around: Around = _just_run
        self._writing: set[asyncio.Task[Any]] = set()
        if self.engine_kind is EngineKind.SQLITE:
            pool_size = 1
            self._writer = sqlite_engine(
                parsed, is_writer=True, pool_size=pool_size, wait_s=wait_s, connect=connect
            )
            self._reader = sqlite_engine(
                parsed, is_writer=False, pool_size=4, wait_s=wait_s, connect=connect
            )
            self._heartbeat_writer, self._heartbeat_reader = self._writer, self._reader
        else:
            self._writer = postgres_engine(parsed, pool_size=pool_size, wait_s=wait_s)
            self._heartbeat_writer = postgres_engine(
                parsed, pool_size=HEARTBEAT_POOL_SIZE, wait_s=wait_s
            )
            self._reader, self._heartbeat_reader = self._writer, self._heartbeat_writer
        self._pool_size = pool_size
        self.url = parsed

    @property
    def clock(self) -> Clock:
        """The clock that stamps transactions."""
        return self._clock

    def announce_commits_to(
        self, announce: Callable[[], None], announce_step: Callable[[], None] | None = None
    ) -> None:
        """Call one of the two, which must not block, after each commit that recorded an event.

        It is `announce_step`, if it is given, after a step of a turn that freed no turn.
        """
        self._after_commit = announce
        self._after_step = announce_step or announce

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
        """Give a connection for reading; on SQLite it sees one consistent state throughout.

        Whoever holds it for too long is cut off (Unavailable, `storage_busy`): on SQLite the log
        of everybody's writes cannot be shortened meanwhile.
        """
        async with self._read_through(self._reader) as connection:
            yield connection

    @asynccontextmanager
    async def read_heartbeat(self) -> AsyncIterator[AsyncConnection]:
        """Do the same on connections kept for what must not wait behind everything else."""
        async with self._read_through(self._heartbeat_reader) as connection:
            yield connection

    @asynccontextmanager
    async def _read_through(self, reader: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        longest = asyncio.timeout(self._read_longest_s)
        try:
            async with longest, reader.connect() as connection:
                if self.engine_kind is EngineKind.POSTGRESQL:
                    # At READ COMMITTED every statement looks afresh anyway, so BEGIN and ROLLBACK
                    # around a read would be two round trips for nothing.
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                with self._interrupted(connection):
                    yield connection
        except (DBAPIError, PoolTimeoutError, OSError) as failure:
            if longest.expired():
                raise StorageTrouble("Reading took too long.", code="storage_busy") from failure
            raise unavailable_from(failure) from failure

    @contextmanager
    def _interrupted(self, connection: AsyncConnection) -> Iterator[None]:
        """Stop a statement that runs too long on SQLite, whose thread cannot be cancelled."""
        if self.engine_kind is EngineKind.POSTGRESQL:
            yield
            return
        assert connection.sync_connection is not None, "the connection is open"
        driver: Any = connection.sync_connection.connection.driver_connection
        interrupt = asyncio.get_running_loop().call_later(
            self._read_longest_s,
            driver._conn.interrupt,  # noqa: SLF001 its own method waits for its thread
        )
        try:
            yield
        finally:
            interrupt.cancel()

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
        until it succeeds or the deadline passes, and once more after a connection that ended before
        its commit, so it must read everything afresh and keep nothing between runs. A commit that
        was not answered is looked for, and the operation runs again only if it is not there. Raises
        Unavailable when the storage cannot be had, with `outcome_unknown` when it cannot be told
        what became of the commit; any other exception rolls back and passes through.
        """
        return await self._write(operation, self._writer)

    async def write_heartbeat(
        self, operation: Callable[[Transaction], Awaitable[Outcome]]
    ) -> Outcome:
        """Do the same on connections kept for what must not wait behind everything else."""
        return await self._write(operation, self._heartbeat_writer)

    async def _write(
        self, operation: Callable[[Transaction], Awaitable[Outcome]], writer: AsyncEngine
    ) -> Outcome:
        """Write in a task of its own: a caller that is cancelled leaves it to come to its end.

        A driver that is cancelled in the middle of a statement would leave a connection behind of
        which nobody knows whether it holds a lock.
        """
        with self.spans.span(f"operation {operation.__qualname__.partition('.')[0]}"):
            writing = asyncio.create_task(self._try_to_write(operation, writer))
            self._writing.add(writing)
            writing.add_done_callback(self._forget)
            return await asyncio.shield(writing)

    def _forget(self, writing: asyncio.Task[Any]) -> None:
        self._writing.discard(writing)
        if not writing.cancelled():
            # Read here too, since a caller that went away does not.
            writing.exception()

    async def _try_to_write(
        self, operation: Callable[[Transaction], Awaitable[Outcome]], writer: AsyncEngine
    ) -> Outcome:
        patience = Patience(self._clock.monotonic_s, self._wait_s)
        for _ in range(limits.OPERATION_TRIES_MAX):
            try:
                ended = await self._write_once(operation, writer)
                if ended.is_answered or await self._is_committed(ended.transaction, patience):
                    return self._announced(ended)
            except DBAPIError as failure:
                if not patience.forgives(failure):
                    raise unavailable_from(failure) from failure
            except (PoolTimeoutError, OSError) as failure:
                raise unavailable_from(failure) from failure
            self._retries["retries"] += 1
            await patience.pause()
        raise StorageTrouble("The storage is busy; try again.", code="storage_busy")

    async def _write_once(
        self, operation: Callable[[Transaction], Awaitable[Outcome]], writer: AsyncEngine
    ) -> _Ended[Outcome]:
        # The engine's own timeouts end nothing where no packet comes through any more.
        async with (
            asyncio.timeout(limits.STORAGE_SILENCE_MAX_S),
            writer.connect() as connection,
            connection.begin() as begun,
        ):
            transaction = self._transaction(connection)
            outcome: Outcome = await self._around(transaction, operation)
            if transaction.is_shared and transaction.witness is None:
                transaction.witness = await take_witness(connection)
            try:
                await begun.commit()
            except (DBAPIError, OSError) as failure:
                if not is_connection_lost(failure):
                    raise
                return _Ended(outcome, transaction, is_answered=False)
        return _Ended(outcome, transaction, is_answered=True)

    async def _is_committed(self, transaction: Transaction, patience: Patience) -> bool:
        # What has written nothing has nothing to lose.
        witness = transaction.witness
        return witness is None or await was_committed(self._reader, witness, patience.is_over)

    def _announced(self, ended: _Ended[Outcome]) -> Outcome:
        if ended.transaction.has_events:
            (self._after_step if ended.transaction.frees_no_turn else self._after_commit)()
        return ended.outcome

    def _transaction(self, connection: AsyncConnection) -> Transaction:
        return Transaction(
            connection=connection,
            now=self._clock.now(),
            ids=self._ids,
            engine=self.engine_kind,
            reach=self.reach,
            quotas=self.quotas,
        )

    @asynccontextmanager
    async def connect_for_schema(self) -> AsyncIterator[AsyncConnection]:
        """Give the writing engine's connection to migrations, outside any retry."""
        async with self._writer.connect() as connection:
            yield connection

    @property
    def retries(self) -> int:
        """How often an operation was run again after a conflict."""
        return self._retries["retries"]

    def pool_use(self) -> tuple[int, int]:
        """Return how many connections are in use for writing, and how many there may be."""
        assert isinstance(self._writer.pool, QueuePool)
        return self._writer.pool.checkedout(), self._pool_size

    async def close(self) -> None:
        """Close every connection; what is being written comes to its end before."""
        if self._writing:
            await asyncio.wait(self._writing)
        await self._writer.dispose()
        await self._heartbeat_writer.dispose()
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


def sqlite_path(url: URL) -> Path | None:
    """Return the file of an SQLite database, or None for another engine or one in memory."""
    is_file = url.get_backend_name() == EngineKind.SQLITE and url.database not in (None, ":memory:")
    return Path(str(url.database)) if is_file else None


__all__ = ["Database", "EngineKind", "Transaction", "sqlite_path"]
