"""What a caller is told while the storage fails, and that everything goes on once it is well."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from sqlalchemy import text

from door import Door, open_door, open_services, problem_of
from driftpin.errors import Unavailable
from driftpin.identity import WORKER, RandomIds, agent_actor, user_actor
from driftpin.operations.check_store import Rule, check_store
from driftpin.operations.create_user import create_user
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.renew_links import renew_links
from driftpin.store.database import Database, EngineKind, sqlite_path
from driftpin.store.schema import prepare_schema
from driftpin.store.store import Store
from driftpin.store.wal import wal_bytes
from own_postgres import own_postgres
from people import People
from stepping import SteppedClock

CALLERS = 100
LOCK = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


def refused(response: httpx2.Response) -> tuple[int, str]:
    assert int(response.headers["Retry-After"]) >= 1
    return problem_of(response)


def engine_of(door: Door) -> EngineKind:
    return door.services.store.database.engine_kind


def path_of(door: Door) -> Path:
    path = sqlite_path(door.services.store.database.url)
    assert path is not None
    return path


async def run_pragma(door: Door, pragma: str) -> Any:
    """Set something on the one writing connection of SQLite."""
    async with door.services.store.database.connect_for_schema() as connection:
        told = await connection.execute(text(f"PRAGMA {pragma}"))
        found = told.scalar() if told.returns_rows else None
        await connection.rollback()
        return found


def checkpoint(path: Path) -> bool:
    """Write the log back as another process would; return whether somebody was in the way."""
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])


@asynccontextmanager
async def broken_inserts(url: str, action: str) -> AsyncIterator[None]:
    """Let PostgreSQL do something whenever a blob is stored."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {action}; RETURN NEW; END $$;"
        "CREATE TRIGGER break BEFORE INSERT ON blobs FOR EACH ROW EXECUTE FUNCTION break()"
    )
    try:
        yield
    finally:
        await connection.execute("DROP FUNCTION break CASCADE")
        await connection.close()


@asynccontextmanager
async def full_disk(door: Door, database_url: str) -> AsyncIterator[None]:
    if engine_of(door) is EngineKind.POSTGRESQL:
        raising = "RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'"
        async with broken_inserts(database_url, raising):
            yield
        return
    pages = await run_pragma(door, "page_count")
    await run_pragma(door, f"max_page_count={pages}")
    yield
    await run_pragma(door, "max_page_count=1000000")


async def test_x7_f25_a_full_disk_refuses_writes_and_nothing_else(
    open_impatient: Any, database_url: str
) -> None:
    door: Door = await open_impatient()
    assert (await door.push(seq=1, AGENTS="one")).status_code == 200
    chat = await door.chat()
    large = "x" * 60_000
    async with full_disk(door, database_url):
        for _ in range(3):
            assert refused(await door.push(seq=2, AGENTS=large)) == (503, "storage_full")
        seen = await door.get(door.people.owner, f"/chats/{chat['id']}/context")
        assert (seen.status_code, seen.json()["dirty"]) == (200, False)
    assert (await door.push(seq=2, AGENTS=large)).json()["result"] == "accepted"
    assert await check_store(door.services.store, WORKER) == ()


@asynccontextmanager
async def read_only(door: Door, database_url: str) -> AsyncIterator[None]:
    database = door.services.store.database
    if engine_of(door) is EngineKind.SQLITE:
        await run_pragma(door, "query_only=ON")
        yield
        await database.close()
        return
    connection = await asyncpg.connect(database_url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await database.close()
    try:
        yield
    finally:
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        await connection.close()
        await database.close()


async def test_x9_a_database_that_takes_no_writes_is_still_read(
    open_impatient: Any, database_url: str
) -> None:
    door: Door = await open_impatient()
    await door.push(seq=1, AGENTS="one")
    async with read_only(door, database_url):
        assert refused(await door.push(seq=2, AGENTS="two")) == (503, "storage_read_only")
        assert (await door.get(door.people.owner, "/chats")).status_code == 200
    assert (await door.push(seq=2, AGENTS="two")).json()["result"] == "accepted"


@contextmanager
def lock_of_another_process(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield holder


@pytest.mark.parametrize("engine_kind", [EngineKind.SQLITE], ids=str)
async def test_x10_a_lock_that_is_given_back_in_time_is_waited_for(open_impatient: Any) -> None:
    door: Door = await open_impatient(wait_s=30)
    with lock_of_another_process(path_of(door)) as holder:
        pushing = asyncio.create_task(door.push(seq=1, AGENTS="one"))
        await door.get(door.people.owner, "/chats")
        assert not pushing.done()
        await asyncio.to_thread(holder.communicate)
        assert (await pushing).json()["result"] == "accepted"


@pytest.mark.parametrize("engine_kind", [EngineKind.SQLITE], ids=str)
async def test_x10_a_lock_that_is_kept_is_busy_for_everybody_and_loses_no_push(
    open_impatient: Any,
) -> None:
    door: Door = await open_impatient()
    with lock_of_another_process(path_of(door)) as holder:
        answers = await asyncio.gather(*(door.push(seq=1, AGENTS="one") for _ in range(8)))
        assert {refused(answer) for answer in answers} == {(503, "storage_busy")}
        assert (await door.get(door.people.owner, "/chats")).status_code == 200
        await asyncio.to_thread(holder.communicate)
    assert (await door.push(seq=1, AGENTS="one")).json()["result"] == "accepted"


@pytest.mark.parametrize("engine_kind", [EngineKind.SQLITE], ids=str)
async def test_x12_a_long_reader_is_cut_off_so_that_the_log_ends(open_impatient: Any) -> None:
    door: Door = await open_impatient(read_longest_s=0.5)
    database = door.services.store.database

    async def read_for_ever() -> None:
        async with database.read() as connection:
            await connection.execute(text("SELECT count(*) FROM blobs"))
            await asyncio.Event().wait()

    reading = asyncio.create_task(read_for_ever())
    seq = 0
    while not reading.done():
        seq += 1
        assert (await door.push(seq=seq, AGENTS=f"{seq}" * 9_000)).status_code in (200, 429)
        door.services.clock.step(1)  # type: ignore[attr-defined] # a stepped one
    with pytest.raises(Unavailable) as cut_off:
        await reading
    assert cut_off.value.code == "storage_busy"
    assert not checkpoint(path_of(door))
    assert wal_bytes(database) == 0


@pytest.mark.parametrize("engine_kind", [EngineKind.SQLITE], ids=str)
async def test_x12_a_statement_that_runs_for_ever_is_cut_off(open_impatient: Any) -> None:
    door: Door = await open_impatient(read_longest_s=0.2)
    endless = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    )
    with pytest.raises(Unavailable) as cut_off:
        async with door.services.store.database.read() as connection:
            await connection.execute(endless)
    assert cut_off.value.code == "storage_busy"
    assert (await door.get(door.people.owner, "/chats")).status_code == 200


async def test_x13_flipped_bytes_of_a_blob_are_found_and_never_served(
    open_impatient: Any, store: Store
) -> None:
    door: Door = await open_impatient()
    await door.push(seq=1, AGENTS="one")
    chat = await door.chat()
    owner = door.people.owner
    context = (await door.get(owner, f"/chats/{chat['id']}/context")).json()
    (resource,) = context["resources"]

    async def flip(digest: str) -> None:
        async def change(transaction: Any) -> None:
            await transaction.connection.execute(
                text("UPDATE blobs SET content = :content WHERE digest = :digest"),
                {"content": b"evil", "digest": bytes.fromhex(digest[7:])},
            )

        await store.database.write(change)

    await flip(resource["digest"])
    for path in (f"/blobs/{resource['digest']}", f"/chats/{chat['id']}/export"):
        response = await door.get(owner, path)
        assert problem_of(response) == (409, "blob_damaged")
        assert response.json()["digest"] == resource["digest"]
    await flip(context["snapshot"])
    for path in (f"/snapshots/{context['snapshot']}", f"/chats/{chat['id']}/context"):
        response = await door.get(owner, path)
        assert problem_of(response) == (409, "snapshot_damaged")
        assert response.json()["digest"] == context["snapshot"]
    rules = {finding.rule for finding in await check_store(store, WORKER)}
    assert rules == {Rule.BLOB_DIGEST, Rule.SNAPSHOT_DIGEST}


@pytest.mark.parametrize("engine_kind", [EngineKind.SQLITE], ids=str)
@pytest.mark.parametrize("table", ["blobs", "chats", "snapshot_entries"])
async def test_x13_a_damaged_page_is_found_and_refused_with_an_id(
    open_impatient: Any, store: Store, table: str
) -> None:
    door: Door = await open_impatient()
    for seq in range(1, 4):
        await door.push(seq=seq, AGENTS=str(seq) * 20_000)
    await door.chat()
    assert not checkpoint(path_of(door))
    await door.services.store.database.close()
    await store.database.close()
    _damage_root_page(path_of(door), table)
    findings = await check_store(store, WORKER)
    assert Rule.DATABASE_PAGE in {finding.rule for finding in findings}
    path = {"blobs": "/workspaces/{}/context", "chats": "/chats", "snapshot_entries": ""}[table]
    if path:
        response = await door.get(door.people.owner, path.format(door.people.workspace_id))
        assert refused(response) == (503, "storage_damaged")
        assert len(response.json()["fault_id"]) == 16


def _damage_root_page(path: Path, table: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)
        ).fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 200)


@pytest.mark.parametrize("engine_kind", [EngineKind.POSTGRESQL], ids=str)
async def test_x18_an_exhausted_pool_refuses_in_time_and_heartbeats_go_on(
    open_impatient: Any, database_url: str
) -> None:
    door: Door = await open_impatient(pool_size=2, wait_s=1.5)
    store = door.services.store
    async with broken_inserts(database_url, "PERFORM pg_sleep(0.2)"):
        pushes = [
            asyncio.create_task(door.push(seq=number, AGENTS=f"text {number}"))
            for number in range(1, CALLERS + 1)
        ]
        beats = 0
        while not all(push.done() for push in pushes):
            await renew_links(store, WORKER, holder="replica", lease_s=15)
            beats += 1
        answers = [problem_of(push.result()) for push in pushes if push.result().is_error]
    assert beats > 3
    assert (503, "storage_busy") in answers
    assert {status for status, _ in answers} <= {409, 429, 503}, answers


@pytest.mark.parametrize("engine_kind", [EngineKind.POSTGRESQL], ids=str)
async def test_x19_slow_statements_are_cut_off_and_do_not_pile_up(
    open_impatient: Any, database_url: str
) -> None:
    door: Door = await open_impatient(pool_size=2)
    watcher = await asyncpg.connect(database_url)
    active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%blobs%' AND state = 'active'"
    async with broken_inserts(database_url, "PERFORM pg_sleep(60)"):
        answers = await asyncio.gather(
            *(door.push(seq=number, AGENTS=f"text {number}") for number in range(1, 9))
        )
        assert {refused(answer) for answer in answers} == {(503, "storage_busy")}
        assert await watcher.fetchval(f"{active} AND pid <> pg_backend_pid()") == 0
    await watcher.close()
    assert (await door.push(seq=1, AGENTS="one")).json()["result"] == "accepted"


async def test_f24_a_database_that_is_down_is_unavailable_and_comes_back(
    clock: SteppedClock,
) -> None:
    with own_postgres() as server:
        database = Database(server.url, clock=clock, ids=RandomIds(), wait_s=5)
        await prepare_schema(database)
        store = Store(database)
        door = open_door(await open_services(store, clock), await _people(store))
        await door.token_of(door.people.owner)
        await door.token_of(door.people.agent)
        await door.hello()
        server.stop("immediate")
        for answer in (
            await door.get(door.people.owner, "/chats"),
            await door.push(seq=1, AGENTS="one"),
            await door.post(door.people.owner, "/chats", {"workspace_id": "x"}),
            await door.get(None, "/chats"),
        ):
            if answer.status_code != 401:
                assert refused(answer) == (503, "storage_unavailable")
        server.start()
        assert (await door.push(seq=1, AGENTS="one")).json()["result"] == "accepted"
        await database.close()
        await door.http.aclose()


async def _people(store: Store) -> People:
    user = await create_user(store, WORKER, "owner", is_administrator=True)
    owner = user_actor(user.id, is_administrator=True)
    workspace = await create_workspace(store, owner, "w")
    agent, _ = await enrol_agent(store, owner, workspace.id, "a")
    actor = agent_actor(agent.id, workspace.id)
    return People(owner, owner, owner, actor, actor, workspace.id, workspace.id)
