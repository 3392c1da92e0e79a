"""A kill -9 leaves no half backup that passes for a whole one, and no half database that serves."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from driftpin.identity import WORKER, digest_of
from driftpin.operations.check_store import check_store
from driftpin.operations.say_hello import say_hello
from driftpin.operations.store_blobs import store_blobs
from driftpin.operations.write_backup import write_backup
from driftpin.store.archive.format import BackupDamaged, check_archive
from driftpin.store.database import EngineKind
from driftpin.store.store import Store
from people import People

DRIFTPIN = (sys.executable, "-P", "-m", "driftpin")
WAIT_S = 60
BLOBS, BLOB_BYTES = 40, 256 * 1024


async def fill(store: Store, people: People) -> None:
    """Store enough bytes that do not compress for a kill to meet their reading or writing."""
    await say_hello(store, people.agent, run_id="r", hostname="", os="", version="", roots={})
    for _ in range(BLOBS // 10):
        contents = [os.urandom(BLOB_BYTES) for _ in range(10)]
        await store_blobs(store, people.agent, [(digest_of(each), each) for each in contents])


async def kill_when(command: list[str], is_time: Callable[[], Any]) -> int:
    """Run a command, and kill it once `is_time` says so; return how it ended."""
    process = await asyncio.create_subprocess_exec(*DRIFTPIN, *command, stderr=DEVNULL)
    ended = asyncio.create_task(process.wait())
    try:
        async with asyncio.timeout(WAIT_S):
            while not ended.done() and not await asyncio.to_thread(is_time):
                pass
    finally:
        if not ended.done():
            process.kill()
    return await ended


async def test_a_backup_that_is_killed_is_not_there(
    store: Store, people: People, database_url: str, tmp_path: Path
) -> None:
    await fill(store, people)
    target = tmp_path / "kept" / "a.backup"
    target.parent.mkdir()

    def is_half_written() -> bool:
        return any(path.stat().st_size > BLOB_BYTES for path in target.parent.glob(".*.part"))

    command = ["backup", str(target), "--database", database_url]
    assert await kill_when(command, is_half_written) == -signal.SIGKILL
    assert not target.exists()
    (part,) = target.parent.iterdir()
    with pytest.raises(BackupDamaged):
        check_archive(part)


async def test_a_restore_that_is_killed_changes_nothing(
    store: Store, people: People, database_url: str, tmp_path: Path
) -> None:
    await fill(store, people)
    file = tmp_path / "a.backup"
    await write_backup(store, WORKER, file)
    workspaces = await store.list_workspaces(people.owner, limit=9)
    epoch_before = await store.get_deployment(WORKER, "restore_epoch")
    await store.database.close()
    is_time = _wal_grows(tmp_path)
    if store.database.engine_kind is EngineKind.POSTGRESQL:
        is_time = _tables_are_dropped(database_url)
    command = ["restore", str(file), "--database", database_url, "--replace"]
    assert await kill_when(command, is_time) == -signal.SIGKILL
    assert await store.list_workspaces(people.owner, limit=9) == workspaces
    assert await store.get_deployment(WORKER, "restore_epoch") == epoch_before
    assert await check_store(store, WORKER) == ()


def _wal_grows(directory: Path) -> Callable[[], bool]:
    log = directory / "driftpin.db-wal"
    return lambda: log.exists() and log.stat().st_size > BLOB_BYTES


def _tables_are_dropped(url: str) -> Callable[[], bool]:
    statement = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"

    async def count() -> int:
        connection = await asyncpg.connect(url)
        try:
            return int(await connection.fetchval(statement))
        finally:
            await connection.close()

    return lambda: asyncio.run(count()) > 0
