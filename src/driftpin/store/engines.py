"""How connections of either engine are made: what is set on each, and how long it may wait."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Final

import asyncpg
from sqlalchemy import URL, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from driftpin import limits
from driftpin.errors import UsageError
from driftpin.store import sqlite_driver

# Opens a connection of the SQLite driver, as `aiosqlite.connect` does.
Connect = Callable[..., Awaitable[Any]]

WAL_TRIES_MAX: Final = 50
WAL_RETRY_S: Final = 0.01
# How long the end of a connection may take whose server may not answer any more.
CONNECTION_CLOSE_S: Final = 1.0


class EngineKind(StrEnum):
    """The two engines that driftpin runs on."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


def engine_kind_of(url: URL) -> EngineKind:
    """Return which engine a URL means; UsageError (`bad_database_url`) for any other."""
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


def sqlite_engine(
    url: URL, *, is_writer: bool, pool_size: int, wait_s: float, connect: Connect | None = None
) -> AsyncEngine:
    """Return the engine of the one writing connection, or of those that only read.

    `connect` opens the driver's connections in place of the driver itself.
    """
    arguments = {"timeout": wait_s, "async_creator_fn": connect or sqlite_driver.connect}
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        pool_size=pool_size,
        max_overflow=0 if is_writer else 4,
        pool_timeout=wait_s,
        connect_args=arguments,
    )
    pragmas = _sqlite_pragmas(is_writer=is_writer, wait_s=wait_s)

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
        statement = "BEGIN IMMEDIATE" if is_writer else "BEGIN"
        driver = connection.connection.driver_connection
        if isinstance(driver, sqlite_driver.Connection):
            driver.begin(statement, only_reads=not is_writer)
        else:
            connection.exec_driver_sql(statement)

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", begin)
    return engine


def _sqlite_pragmas(*, is_writer: bool, wait_s: float) -> tuple[str, ...]:
    busy_ms = int(wait_s * 1000)
    shared = (f"busy_timeout={busy_ms}", "foreign_keys=ON", "temp_store=MEMORY")
    if is_writer:
        # Anything below FULL loses acknowledged pushes in a power cut.
        return ("synchronous=FULL", f"journal_size_limit={limits.WAL_KEPT_BYTES_MAX}", *shared)
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


def connect_arguments(url: URL) -> dict[str, Any]:
    """Return what the PostgreSQL driver is to connect with, for a connection outside any pool."""
    address = _driver_url(url)
    _, arguments = address.get_dialect()().create_connect_args(address)
    return dict(arguments)


def _driver_url(url: URL) -> URL:
    """Return the URL as the driver reads it; `sslmode` is how everybody else writes it."""
    query = dict(url.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    return url.set(drivername="postgresql+asyncpg", query=query)


class _Connection(asyncpg.Connection):
    """A connection whose end takes a bounded time, even where no packet comes through any more.

    The driver asks the server to give up the statement under way, and waits for its answer.
    """

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 the driver's own
        """Close in peace, or raise TimeoutError soon, with nothing left open."""
        async with asyncio.timeout(CONNECTION_CLOSE_S):
            await super().close(timeout=timeout)


def postgres_engine(url: URL, *, pool_size: int, wait_s: float) -> AsyncEngine:
    """Return an engine whose connections, statements and locks are waited for as long at most.

    A connection whose end was noticed while nobody used it is replaced before somebody does.
    """
    timeout_ms = str(int(wait_s * 1000))
    engine = create_async_engine(
        _driver_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=wait_s,
        isolation_level="READ COMMITTED",
        connect_args={
            "timeout": limits.OPERATION_DEADLINE_S,
            "connection_class": _Connection,
            "server_settings": {
                "application_name": "driftpin",
                "statement_timeout": timeout_ms,
                "lock_timeout": timeout_ms,
                # Not a wait of ours: how long a process that stands still may keep its locks.
                "idle_in_transaction_session_timeout": str(int(limits.OPERATION_DEADLINE_S * 1000)),
            },
        },
    )

    def look(connection: Any, _record: Any, _proxy: Any) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError

    event.listen(engine.sync_engine, "checkout", look)
    return engine


__all__ = [
    "Connect",
    "EngineKind",
    "connect_arguments",
    "engine_kind_of",
    "postgres_engine",
    "sqlite_engine",
]
