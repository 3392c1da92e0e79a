"""A backup holds one instant of everything; it restores into either engine, whole or not at all."""

import asyncio
import gzip
import json
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from driftpin import limits
from driftpin.errors import UsageError
from driftpin.events.event import EventKind
from driftpin.identity import WORKER, digest_of
from driftpin.operations.check_store import check_store
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_user_token import create_user_token
from driftpin.operations.prepare_deployment import RESTORE_EPOCH, prepare_deployment
from driftpin.operations.restore_backup import restore_backup
from driftpin.operations.write_backup import write_backup
from driftpin.store.archive.format import BackupDamaged, check_archive
from driftpin.store.archive.rows import head_of, kept_tables
from driftpin.store.database import Database
from driftpin.store.store import Store
from driftpin.store.tables import agent_runs, agents, events
from driftpin.store.tables.metadata import metadata
from people import People
from pushing import Pusher

GROUPED = {agents.name, agent_runs.name, "deployment"}


@asynccontextmanager
async def closing(database: Database) -> AsyncIterator[Store]:
    try:
        yield Store(database)
    finally:
        await database.close()


async def live_in(store: Store, people: People) -> tuple[Any, Pusher]:
    """Push twice; make a chat, a sub-chat and a fork's worth of references between chats."""
    await prepare_deployment(store, WORKER)
    pusher = Pusher(store, people.agent)
    await pusher.push(AGENTS="one")
    parent = await create_chat(store, people.owner, people.workspace_id, title="a parent")
    await create_chat(store, people.owner, people.workspace_id, parent_id=parent.chat.id)
    await pusher.push(AGENTS="two", MORE="and more")
    return parent.chat.id, pusher


async def rows_of(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    found = {}
    async with database.read() as connection:
        for table in kept_tables():
            statement = select(table).order_by(*table.primary_key.columns)
            found[table.name] = [tuple(row) for row in await connection.execute(statement)]
    return found


async def test_a_backup_restores_into_either_engine(
    store: Store, people: People, empty_url: str, open_empty: Any, tmp_path: Path
) -> None:
    await live_in(store, people)
    file = tmp_path / "a.backup"
    written = await write_backup(store, WORKER, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert check_archive(file) == written
    async with closing(open_empty(empty_url)) as restored:
        outcome = await restore_backup(restored, WORKER, file)
        assert outcome.backup == written
        before, after = await rows_of(store.database), await rows_of(restored.database)
        for name in before.keys() - GROUPED:
            assert after[name] == before[name], name
        assert await check_store(restored, WORKER) == ()
        assert await restored.get_deployment(WORKER, RESTORE_EPOCH) == str(outcome.epoch)


async def test_a_restored_database_goes_on_numbering(
    store: Store, people: People, empty_url: str, open_empty: Any, tmp_path: Path
) -> None:
    chat_id, _ = await live_in(store, people)
    await write_backup(store, WORKER, tmp_path / "a.backup")
    async with closing(open_empty(empty_url)) as restored:
        await restore_backup(restored, WORKER, tmp_path / "a.backup")
        (old,) = (await restored.list_history(people.owner, chat_id, None, 9)).items
        agent = Pusher(restored, people.agent)
        with pytest.raises(Exception, match="say hello first"):
            await agent.push(AGENTS="three")
        async with restored.database.read() as connection:
            stored = (await connection.execute(select(events.c.id, events.c.kind))).all()
        assert [row.kind for row in stored] == [EventKind.DEPLOYMENT_RESTORED]
        moves = await restored.list_pin_moves(people.owner, stored[0].id, limit=9)
        assert moves == (), "an event of now never stands for a move of before"
        await create_chat(restored, people.owner, people.workspace_id)
        assert await check_store(restored, WORKER) == ()
        assert old.to_digest is not None


async def test_a_backup_is_of_one_instant_while_others_write(
    store: Store, people: People, empty_url: str, open_empty: Any, tmp_path: Path
) -> None:
    _, pusher = await live_in(store, people)
    stop = asyncio.Event()

    async def write() -> int:
        count = 0
        while not stop.is_set():
            await pusher.push(AGENTS=f"number {count}")
            await create_chat(store, people.owner, people.workspace_id)
            count += 1
        return count

    writing = asyncio.create_task(write())
    files = [tmp_path / f"{number}.backup" for number in range(4)]
    for file in files:
        await write_backup(store, WORKER, file)
    stop.set()
    assert await writing > 0
    async with closing(open_empty(empty_url)) as restored:
        for file in files:
            await restore_backup(restored, WORKER, file, may_replace=True)
            assert await check_store(restored, WORKER) == ()


async def test_a_database_with_contents_is_kept_unless_told(
    store: Store, people: People, tmp_path: Path
) -> None:
    chat_id, pusher = await live_in(store, people)
    file = tmp_path / "a.backup"
    await write_backup(store, WORKER, file)
    later = await pusher.push(AGENTS="three")
    before = await rows_of(store.database)
    with pytest.raises(UsageError) as refusal:
        await restore_backup(store, WORKER, file)
    assert refusal.value.code == "database_not_empty"
    assert await rows_of(store.database) == before
    await restore_backup(store, WORKER, file, may_replace=True)
    head = await store.get_workspace_head(people.owner, people.workspace_id)
    assert head.manifest is not None
    assert digest_of(head.manifest) != later
    assert (await store.get_chat(people.owner, chat_id)).context.revision == 1


async def test_x55_t33_every_restore_begins_a_later_time(
    store: Store, people: People, tmp_path: Path
) -> None:
    await live_in(store, people)
    file = tmp_path / "a.backup"
    await write_backup(store, WORKER, file)
    epochs = [(await restore_backup(store, WORKER, file, may_replace=True)).epoch for _ in range(3)]
    assert epochs == sorted(set(epochs))
    assert epochs[0] > 1
    async with store.database.read() as connection:
        incarnations = (await connection.execute(select(agents.c.incarnation))).scalars().all()
    assert min(incarnations) >= epochs[-1] * limits.INCARNATIONS_PER_EPOCH_MAX


async def test_t33_two_restores_of_one_backup_are_two_times(
    store: Store, people: People, open_empty: Any, tmp_path: Path
) -> None:
    await live_in(store, people)
    file = tmp_path / "a.backup"
    await write_backup(store, WORKER, file)
    epochs = []
    for number in range(4):
        async with closing(open_empty(f"sqlite:///{tmp_path / f'{number}.db'}")) as restored:
            epochs.append((await restore_backup(restored, WORKER, file)).epoch)
    assert len(set(epochs)) > 1


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
async def test_a_backup_cut_short_restores_nothing(
    store: Store, people: People, tmp_path: Path, share: float
) -> None:
    await live_in(store, people)
    file = tmp_path / "a.backup"
    await write_backup(store, WORKER, file)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    before = await rows_of(store.database)
    with pytest.raises(BackupDamaged):
        await restore_backup(store, WORKER, file, may_replace=True)
    assert await rows_of(store.database) == before


async def test_a_backup_without_some_of_its_lines_is_refused(
    store: Store, people: People, tmp_path: Path
) -> None:
    await live_in(store, people)
    file = tmp_path / "a.backup"
    await write_backup(store, WORKER, file)
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    for number in range(len(lines)):
        file.write_bytes(gzip.compress(b"".join(lines[:number] + lines[number + 1 :])))
        with pytest.raises(BackupDamaged):
            check_archive(file)


async def test_every_flipped_byte_of_a_backup_is_noticed(
    store: Store, people: People, tmp_path: Path
) -> None:
    await live_in(store, people)
    file = tmp_path / "a.backup"
    await write_backup(store, WORKER, file)
    content = file.read_bytes()
    # The ten bytes of the gzip header say nothing about the contents.
    for place in range(10, len(content), max(1, len(content) // 200)):
        flipped = bytearray(content)
        flipped[place] ^= 0x10
        file.write_bytes(bytes(flipped))
        with pytest.raises(BackupDamaged):
            check_archive(file)


async def test_a_backup_of_a_newer_release_is_refused(
    store: Store, people: People, tmp_path: Path
) -> None:
    await live_in(store, people)
    file = tmp_path / "a.backup"
    await write_backup(store, WORKER, file)
    content = gzip.decompress(file.read_bytes())
    first, _, rest = content.partition(b"\n")
    header = json.loads(first)
    file.write_bytes(gzip.compress(json.dumps({**header, "version": 99}).encode() + b"\n" + rest))
    with pytest.raises(UsageError) as refusal:
        await restore_backup(store, WORKER, file, may_replace=True)
    assert refusal.value.code == "backup_newer"


async def test_a_backup_holds_no_token(store: Store, people: People, tmp_path: Path) -> None:
    assert people.owner.user_id is not None
    _, secret = await create_user_token(store, people.owner, people.owner.user_id, "laptop")
    await write_backup(store, WORKER, tmp_path / "a.backup")
    content = gzip.decompress((tmp_path / "a.backup").read_bytes())
    assert secret.encode() not in content
    assert b"laptop" in content


async def test_a_file_that_is_there_is_kept(store: Store, people: People, tmp_path: Path) -> None:
    file = tmp_path / "a.backup"
    file.write_bytes(b"mine")
    with pytest.raises(UsageError) as refusal:
        await write_backup(store, WORKER, file)
    assert refusal.value.code == "file_exists"
    assert file.read_bytes() == b"mine"
    await write_backup(store, WORKER, file, may_replace=True)
    assert check_archive(file).rows["users"] == 3
    assert [name for name in os.listdir(tmp_path) if name.endswith(".part")] == []  # noqa: PTH208 a name is asked for


def test_every_column_has_a_kind_in_a_backup() -> None:
    for table in metadata.sorted_tables:
        assert len(head_of(table).columns) == len(table.columns)
