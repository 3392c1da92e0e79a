"""SQLite's driver goes to its thread once per statement, and gives what the engine gives."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from driftpin.store.sqlite_driver import ROWS_AT_ONCE, Connection, connect

COUNT = ROWS_AT_ONCE * 2 + 7
NUMBERS = (
    f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {COUNT}) "
    "SELECT i FROM n"
)


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Connection]:
    opened = await connect(str(tmp_path / "a.db"), timeout=0.0, isolation_level=None)
    yield opened
    await opened.close()


async def test_a_statement_takes_one_visit_to_the_thread(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits: list[object] = []
    visit = connection.visit

    async def counted(function: object, *arguments: object) -> object:
        visits.append(function)
        return await visit(function, *arguments)

    monkeypatch.setattr(connection, "visit", counted)
    connection.begin("BEGIN IMMEDIATE")
    cursor = await connection.cursor().__aenter__()
    await cursor.execute("SELECT 1 UNION SELECT 2")
    assert await cursor.fetchall() == [(1,), (2,)]
    await cursor.close()
    assert len(visits) == 1


async def test_a_long_result_comes_whole_and_in_parts(connection: Connection) -> None:
    whole, parts = connection.cursor(), connection.cursor()
    await whole.execute(NUMBERS)
    assert [number for (number,) in await whole.fetchall()] == list(range(1, COUNT + 1))
    await parts.execute(NUMBERS)
    found: list[int] = []
    while some := await parts.fetchmany(300):
        assert len(some) == 300 or len(found) + len(some) == COUNT
        found += [number for (number,) in some]
    assert found == list(range(1, COUNT + 1))
    assert await parts.fetchone() is None
    await parts.close()


async def test_a_transaction_begins_with_its_first_statement(
    connection: Connection, tmp_path: Path
) -> None:
    connection.begin("BEGIN IMMEDIATE")
    await connection.rollback()
    await connection.cursor().execute("CREATE TABLE t (a)")
    assert not connection.in_transaction, "what was rolled back before it began never begins"
    connection.begin("BEGIN IMMEDIATE")
    assert not connection.in_transaction
    await connection.cursor().executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
    assert connection.in_transaction
    other = sqlite3.connect(tmp_path / "a.db", timeout=0.0)
    assert other.execute("SELECT count(*) FROM t").fetchone() == (0,)
    await connection.commit()
    assert other.execute("SELECT count(*) FROM t").fetchone() == (2,)
    other.close()


async def test_a_lock_that_another_holds_is_told_at_the_first_statement(
    connection: Connection, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "a.db", timeout=0.0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    connection.begin("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await connection.cursor().execute("SELECT 1")
    other.execute("ROLLBACK")
    other.close()
    await connection.cursor().execute("SELECT 1")
    assert connection.in_transaction, "it begins with the next one"
    await asyncio.wait_for(connection.rollback(), 5)
    assert not connection.in_transaction


async def test_nobody_waits_for_the_end_of_what_only_reads_and_it_comes_before_the_next(
    connection: Connection, tmp_path: Path
) -> None:
    await connection.cursor().execute("PRAGMA journal_mode=WAL")
    await connection.cursor().execute("CREATE TABLE t (a)")
    connection.begin("BEGIN", only_reads=True)
    rows = connection.cursor()
    await rows.execute("SELECT count(*) FROM t")
    assert await rows.fetchall() == [(0,)]
    other = sqlite3.connect(tmp_path / "a.db", timeout=0.0, isolation_level=None)
    other.execute("INSERT INTO t VALUES (1)")
    other.close()
    await connection.rollback()
    await connection.rollback()
    connection.begin("BEGIN", only_reads=True)
    await rows.execute("SELECT count(*) FROM t")
    assert await rows.fetchall() == [(1,)], "another instant than before"
    await connection.rollback()
