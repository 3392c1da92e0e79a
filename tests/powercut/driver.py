"""SQLite of APSW under the product's own engine: the few methods that SQLAlchemy calls.

Everything runs at once in the caller's thread. Failures are given as the standard library's driver
gives them, with their extended codes.
"""

import sqlite3
from asyncio import Future
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import apsw

from powercut.disk import Disk


@contextmanager
def as_sqlite3() -> Iterator[None]:
    """Turn APSW's failures into those of the standard library."""
    try:
        yield
    except apsw.ConstraintError as failure:
        raise _told(sqlite3.IntegrityError, failure) from failure
    except apsw.Error as failure:
        raise _told(sqlite3.OperationalError, failure) from failure


def _told(kind: type[sqlite3.Error], failure: apsw.Error) -> sqlite3.Error:
    told = kind(str(failure))
    told.sqlite_errorcode = int(getattr(failure, "extendedresult", 0) or 0)
    return told


class Cursor:
    """Runs one statement and holds its rows."""

    arraysize = 1

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid = 0
        self.rows: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> "Cursor":
        self._run(operation, parameters)
        return self

    async def executemany(self, operation: str, many: Sequence[Sequence[Any]]) -> "Cursor":
        for parameters in many:
            self._run(operation, parameters)
        return self

    def _run(self, operation: str, parameters: Sequence[Any]) -> None:
        raw = self.connection.raw
        described: list[Any] = []

        def describe(cursor: apsw.Cursor, _statement: str, _bindings: Any) -> bool:
            described.append(cursor.get_description())
            return True

        with as_sqlite3():
            cursor = raw.cursor()
            cursor.exec_trace = describe
            statement = self.connection.rewrite(operation)
            self.rows = list(cursor.execute(statement, tuple(parameters)))
            self.rowcount, self.lastrowid = raw.changes(), raw.last_insert_rowid()
        columns = described[0] if described else ()
        self.description = [(name, *[None] * 6) for name, *_ in columns] or None

    async def fetchall(self) -> list[Any]:
        rows, self.rows = self.rows, []
        return rows

    async def close(self) -> None:
        self.rows = []


class Queue:
    """Runs at once what the driver of the product queues for its thread."""

    def put_nowait(self, item: tuple["Future[Any]", Callable[[], Any]]) -> None:
        future, function = item
        future.set_result(function())


class Raw:
    """What is set on, and asked of, the driver's own connection."""

    isolation_level: str | None = ""

    def __init__(self, connection: apsw.Connection) -> None:
        self.interrupt = connection.interrupt


class Connection:
    """One connection; `rewrite` may change a statement before it runs."""

    def __init__(self, raw: apsw.Connection, rewrite: Callable[[str], str]) -> None:
        self.raw = raw
        self.rewrite = rewrite
        self._connection = self
        self._conn = Raw(raw)
        self._tx = Queue()

    def cursor(self) -> Cursor:
        return Cursor(self)

    async def create_function(self, name: str, count: int, function: Any, **_: Any) -> None:
        self.raw.create_scalar_function(name, function, count)

    async def commit(self) -> None:
        self._end("COMMIT")

    async def rollback(self) -> None:
        self._end("ROLLBACK")

    def _end(self, statement: str) -> None:
        with as_sqlite3():
            if not self.raw.get_autocommit():
                self.raw.execute(statement)

    async def close(self) -> None:
        with as_sqlite3():
            self.raw.close(True)

    def stop(self) -> None:
        self.raw.close(True)


def connector(
    disk: Disk, *, synchronous: str = "FULL", pages_per_checkpoint: int = 1000
) -> Callable[..., Any]:
    """Return what opens connections on the disk; the control runs turn `synchronous` down."""

    def rewrite(statement: str) -> str:
        return statement.replace("synchronous=FULL", f"synchronous={synchronous}")

    async def connect(path: str, **_: Any) -> Connection:
        with as_sqlite3():
            raw = apsw.Connection(path, vfs=disk.name)
            raw.execute(f"PRAGMA wal_autocheckpoint={pages_per_checkpoint}")
        return Connection(raw, rewrite)

    return connect


__all__ = ["connector"]
