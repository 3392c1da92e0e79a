"""SQLite's driver, with one visit to its thread per statement.

The driver runs SQLite in a thread of its own. As it comes, a statement goes there and back four
times: for a cursor, to run, for the rows, and to close. Each way costs more than most statements
do, so here all of it happens in one visit, and a transaction begins with its first statement.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, Self

import aiosqlite

# So many rows are taken along at once; of longer results the rest is fetched when it is asked for.
ROWS_AT_ONCE: Final = 1_000


class Connection(aiosqlite.Connection):
    """A connection of the driver whose cursors keep their rows on this side of the thread."""

    _beginning: str = ""
    _only_reads: bool = False
    _stopped: asyncio.Future[Any] | None = None

    def stop(self) -> asyncio.Future[Any] | None:
        """End the thread, once however often it is asked for; the future is done when it ended.

        Whoever is cancelled in the middle of a statement has its connection closed, and stopped as
        well. The driver's own would then wait for another answer of a thread that has ended.
        """
        if self._stopped is None:
            self._stopped = super().stop()
        return self._stopped

    def begin(self, statement: str, *, only_reads: bool = False) -> None:
        """Have `statement` run before the next one; nothing is begun if none follows."""
        self._beginning = statement
        self._only_reads = only_reads

    def cursor(self) -> "Cursor":  # type: ignore[override] # what SQLAlchemy asks for is both
        """Return a cursor at once."""
        return Cursor(self)

    async def commit(self) -> None:
        """Commit what was begun."""
        if not self._forget_beginning():
            await super().commit()

    async def rollback(self) -> None:
        """Roll back what was begun; the pool asks for it again after every transaction.

        Nobody waits for the end of one that only reads: there is nothing to undo, and whatever
        comes next on this connection comes behind it.
        """
        if self._forget_beginning() or not self._conn.in_transaction:
            return
        if self._only_reads:
            self._tx.put_nowait((None, self._conn.rollback))
        else:
            await super().rollback()

    def _forget_beginning(self) -> bool:
        is_waiting, self._beginning = bool(self._beginning), ""
        return is_waiting

    async def visit(self, function: Any, *arguments: Any) -> Any:
        """Run `function` in the thread of this connection."""
        return await self._execute(function, *arguments)  # type: ignore[no-untyped-call]

    def begun(self) -> sqlite3.Connection:
        """Return SQLite's own connection, in the transaction that waited; in its thread."""
        if self._beginning:
            self._conn.execute(self._beginning)
            self._beginning = ""
        return self._conn


class Cursor:
    """Runs one statement at a time and holds its rows."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        """Run statements on `connection`."""
        self._connection = connection
        self._rows: list[Any] = []
        self._rest: sqlite3.Cursor | None = None
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        """Return this cursor."""
        return self

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> Self:
        """Run a statement and take its first rows along."""
        await self._connection.visit(self._run, operation, parameters)
        return self

    async def executemany(self, operation: str, many: Sequence[Sequence[Any]]) -> Self:
        """Run a statement once for each of the parameters."""
        await self._connection.visit(self._run_many, operation, many)
        return self

    def _run(self, operation: str, parameters: Sequence[Any]) -> None:
        cursor = self._connection.begun().execute(operation, parameters)
        self.description = cursor.description
        self._rows = [] if self.description is None else cursor.fetchmany(ROWS_AT_ONCE)
        self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        if len(self._rows) < ROWS_AT_ONCE:
            cursor.close()
        else:
            self._rest = cursor

    def _run_many(self, operation: str, many: Sequence[Sequence[Any]]) -> None:
        cursor = self._connection.begun().executemany(operation, many)
        self.description = None
        self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        cursor.close()

    async def fetchone(self) -> Any:
        """Return the next row, None behind the last."""
        some = await self.fetchmany(1)
        return some[0] if some else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return up to so many of the next rows."""
        wanted = self.arraysize if size is None else size
        if len(self._rows) < wanted and self._rest is not None:
            self._rows += await self._connection.visit(self._rest.fetchmany, ROWS_AT_ONCE + wanted)
        taken, self._rows = self._rows[:wanted], self._rows[wanted:]
        return taken

    async def fetchall(self) -> list[Any]:
        """Return all the rows that are left."""
        if self._rest is not None:
            self._rows += await self._connection.visit(self._rest.fetchall)
        taken, self._rows = self._rows, []
        return taken

    async def close(self) -> None:
        """Let go of the rows."""
        self._rows = []
        rest, self._rest = self._rest, None
        if rest is not None:
            await self._connection.visit(rest.close)


async def connect(database: str, **options: Any) -> Connection:
    """Open a connection to the file, as the driver's own `connect` does."""
    connection = Connection(lambda: sqlite3.connect(database, **options), ROWS_AT_ONCE)
    connection._thread.daemon = True  # noqa: SLF001 a process must not wait for it at its end
    await connection
    return connection


__all__ = ["Connection", "Cursor", "connect"]
