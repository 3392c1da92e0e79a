"""What a push and a read cost does not grow with chats; a lost race costs a retry and no more."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from driftpin.context.holds import Selection
from driftpin.identity import WORKER, ChatId, digest_of
from driftpin.operations.accept_snapshot import accept_push
from driftpin.operations.keep_drift import keep_drift
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.refresh_context import Refresh, refresh_context, refresh_in
from driftpin.operations.settle_pin import settle_pin
from driftpin.store.database import Database, EngineKind, Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.store import Store
from driftpin.store.tables import chat_pins, chats, events
from driftpin.store.writing.pins import lock_waiting_pins

ONLY_POSTGRESQL = pytest.mark.parametrize("engine_kind", [EngineKind.POSTGRESQL], indirect=True)

Statement = tuple[str, Any]


@contextmanager
def statements_of(database: Database, *, reads: bool = False) -> Iterator[list[Statement]]:
    """Collect every statement that the writing engine is given, or the reading one."""
    seen: list[Statement] = []

    def keep(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            seen.append((statement, parameters))

    engine = (database._reader if reads else database._writer).sync_engine
    event.listen(engine, "before_cursor_execute", keep)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", keep)


async def add_pinned_chats(stage: Any, like: ChatId, number: int) -> None:
    """Add many chats that are pinned like one that is there, without their histories."""

    async def add(transaction: Transaction) -> None:
        connection = transaction.connection
        chat = (await connection.execute(chats.select().where(chats.c.id == like))).one()
        pin = (
            await connection.execute(chat_pins.select().where(chat_pins.c.chat_id == like))
        ).one()
        ids = [transaction.ids.fresh(transaction.now) for _ in range(number)]
        dialect = dialect_of(connection)
        await dialect.insert_rows(connection, chats, [chat._asdict() | {"id": i} for i in ids])
        rows = [pin._asdict() | {"chat_id": i} for i in ids]
        await dialect.insert_rows(connection, chat_pins, rows)

    await stage.store.database.write(add)


def many_files(number: int, edition: str = "") -> dict[str, str]:
    return {f"{index}.md": f"{index}" for index in range(number)} | {"AGENTS.md": edition}


async def test_an_accepted_push_takes_as_many_statements_for_many_chats_and_resources(
    stage: Any, database: Database
) -> None:
    counts: list[int] = []
    for files, chats_more in ((1, 0), (1, 200), (150, 200)):
        await stage.agent.push(many_files(files))
        chat_id = await stage.chat()
        await add_pinned_chats(stage, chat_id, chats_more)
        with statements_of(database) as seen:
            await stage.agent.push(many_files(files, edition=f"{files} {chats_more}"))
        counts.append(len(seen))
    assert len(set(counts)) == 1
    # Two of them keep count of the bytes that the workspace and its owner have.
    assert counts[0] <= 13


async def test_holds_of_many_chats_cost_a_push_nothing(
    stage: Any, store: Store, database: Database
) -> None:
    counts: list[int] = []
    files = {"A.md": "one", "B.md": "one"}
    await stage.agent.push(files)
    held = [await stage.chat() for _ in range(20)]
    await stage.agent.push(files | {"A.md": "two"})
    for edition in ("three", "four"):
        with statements_of(database) as seen:
            await stage.agent.push(files | {"A.md": edition})
        counts.append(len(seen))
        written = [statement for statement, _ in seen if "chat_holds" in statement]
        assert written == []
        all_held = Selection(frozenset(), frozenset({"workspace:A.md"}))
        for chat_id in held:
            await refresh_context(store, stage.owner, chat_id, selection=all_held)
    assert counts[0] == counts[1]


async def test_a_list_asks_as_much_for_many_dirty_chats_that_hold_alike_as_for_one(
    stage: Any, store: Store, database: Database
) -> None:
    files = {"A.md": "one", "B.md": "one"}
    await stage.agent.push(files)
    held = [await stage.chat() for _ in range(12)]
    await stage.agent.push(files | {"A.md": "two"})
    a_held = Selection(frozenset(), frozenset({"workspace:A.md"}))
    counts: list[int] = []
    for some in (held[:1], held[1:]):
        for chat_id in some:
            await refresh_context(store, stage.owner, chat_id, selection=a_held)
        for edition in ("two", "three"):
            await stage.agent.push({"A.md": "two", "B.md": f"{edition} {len(some)}"})
            await keep_drift(store, WORKER, stage.agent.id)
        with statements_of(database, reads=True) as seen:
            page = await store.list_chats(stage.owner, is_dirty=True, limit=100)
        assert len(page.items) == len(held)
        counts.append(len(seen))
        await stage.agent.push(files | {"A.md": "two"})
        await keep_drift(store, WORKER, stage.agent.id)
    assert counts[0] == counts[1] > 0


async def test_an_unchanged_push_takes_three_statements(stage: Any, database: Database) -> None:
    await stage.agent.push(many_files(150))
    await add_pinned_chats(stage, await stage.chat(), 200)
    with statements_of(database) as seen:
        await stage.agent.push(many_files(150))
    assert len(seen) == 3


async def test_hydrating_many_chats_takes_as_many_statements_as_one(
    stage: Any, store: Store, database: Database
) -> None:
    counts: list[int] = []
    for number in (1, 2, 40):
        unbound = [await stage.chat() for _ in range(number)]
        agent = await stage.add_agent()
        for chat_id in unbound:
            await rebind_chat(store, stage.owner, chat_id, agent.id)
        with statements_of(database) as seen:
            outcome = await agent.push({"AGENTS.md": f"{number}"})
        assert outcome.hydrated == number
        counts.append(len(seen))
    # From the second on, each agent also takes over the chats of the one before it.
    assert counts[1] == counts[2]


async def test_a_refresh_takes_a_look_and_a_move(
    stage: Any, store: Store, database: Database
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await stage.agent.push({"AGENTS.md": "two"})
    with statements_of(database) as seen:
        await refresh_context(store, stage.owner, chat_id)
    moves = 1 if database.engine_kind is EngineKind.POSTGRESQL else 3
    assert len(seen) == 1 + moves


async def test_a_push_finds_the_waiting_chats_by_the_partial_indexes(
    stage: Any, store: Store, database: Database, database_url: str
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    await add_pinned_chats(stage, await stage.chat(), 3_000)
    statement, parameters = await _waiting_statement(stage, database)
    plan = await _plan(database, database_url, statement, parameters)
    assert "ix_chat_pins_unpinned" in plan
    assert "ix_chat_pins_unbound" in plan
    assert "Seq Scan" not in plan
    assert "SCAN" not in plan


async def _waiting_statement(stage: Any, database: Database) -> Statement:
    async def lock(transaction: Transaction) -> None:
        await lock_waiting_pins(transaction, stage.workspace_id, stage.agent.id)

    with statements_of(database) as seen:
        await database.write(lock)
    return next(found for found in seen if "FROM chat_pins" in found[0])


async def _plan(database: Database, url: str, statement: str, parameters: Any) -> str:
    if database.engine_kind is EngineKind.SQLITE:
        async with database.read() as connection:
            rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            return "\n".join(row.detail for row in rows)
    raw = await asyncpg.connect(url)
    try:
        await raw.execute("ANALYZE chat_pins, chats")
        found = await raw.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *parameters)
        return json.dumps(json.loads(found))
    finally:
        await raw.close()


async def test_readers_never_see_parts_of_two_snapshots(stage: Any, store: Store) -> None:
    await stage.agent.push({"AGENTS.md": "0", "CLAUDE.md": "0"})
    chat_id = await stage.chat()

    async def move_on() -> None:
        for edition in range(1, 20):
            await stage.agent.push({"AGENTS.md": f"{edition}", "CLAUDE.md": f"{edition}"})
            await refresh_context(store, stage.owner, chat_id)

    moving = asyncio.create_task(move_on())
    revisions: list[int] = []
    while not moving.done():
        read = await store.read_pin(stage.owner, chat_id)
        assert read.snapshot is not None
        assert read.manifest is not None
        assert digest_of(read.manifest) == read.snapshot.digest
        entries = (await store.list_pinned_entries(stage.owner, chat_id)).entries
        assert len({entry.digest for entry in entries}) == 1
        revisions.append(read.revision)
    await moving
    assert revisions == sorted(revisions)


async def test_drifts_are_made_once_per_distinct_pair(stage: Any, store: Store) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    await add_pinned_chats(stage, await stage.chat(), 20)
    await stage.agent.push({"AGENTS.md": "two"})
    assert await keep_drift(store, WORKER, stage.agent.id) == 1
    assert await keep_drift(store, WORKER, stage.agent.id) == 0


async def _fail_with(transaction: Transaction, state: str) -> None:
    await transaction.connection.execute(
        text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$")
    )


@ONLY_POSTGRESQL
@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_a_retried_push_is_accepted_once(
    stage: Any, store: Store, stored_bytes: Any, state: str
) -> None:
    chat_id = await stage.chat()
    push = stage.agent.next_push({"AGENTS.md": "one"})
    before = await stored_bytes.count(events)
    tries: list[int] = []

    async def flaky(transaction: Transaction) -> Any:
        outcome = await accept_push(transaction, stage.agent.actor, push)
        tries.append(1)
        if len(tries) == 1:
            await _fail_with(transaction, state)
        return outcome

    outcome = await store.database.write(flaky)
    assert outcome.result == "accepted"
    assert len(tries) == 2
    assert await stored_bytes.count(events) == before + 1
    assert await stage.verbs(chat_id) == ["hydrate"]


@ONLY_POSTGRESQL
async def test_a_retried_refresh_reads_the_head_again(stage: Any, store: Store) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await stage.agent.push({"AGENTS.md": "two"})
    pushed: list[Any] = []

    async def flaky(transaction: Transaction) -> Any:
        move = await refresh_in(transaction, stage.owner, chat_id, Refresh())
        if not pushed:
            pushed.append(await stage.agent.push({"AGENTS.md": "three"}))
            await _fail_with(transaction, "40001")
        return move

    move = await store.database.write(flaky)
    assert move.snapshot.digest == pushed[0].head.digest
    assert move.revision == 2
    assert await stage.verbs(chat_id) == ["hydrate", "refresh"]


@ONLY_POSTGRESQL
async def test_a_failure_of_the_database_in_the_pin_step_fails_the_whole_operation(
    stage: Any, store: Store, database: Database
) -> None:
    chat_id = await stage.chat()
    function = "$$ BEGIN RAISE EXCEPTION USING ERRCODE = '22000'; END $$"
    trigger = "BEFORE INSERT ON chat_pin_history FOR EACH ROW EXECUTE FUNCTION refuse()"
    await _run(
        database,
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS {function}",
        f"CREATE TRIGGER refuse {trigger}",
    )
    try:
        with pytest.raises(DBAPIError):
            await stage.agent.push({"AGENTS.md": "one"})
    finally:
        await _run(database, "DROP TRIGGER refuse ON chat_pin_history", "DROP FUNCTION refuse")
    agent = await store.get_agent(stage.owner, stage.agent.id)
    assert agent.head is None
    assert (await stage.context(chat_id)).agent_id is None
    await stage.agent.push({"AGENTS.md": "one"})
    assert (await settle_pin(store, WORKER, chat_id)).snapshot is not None


async def _run(database: Database, *statements: str) -> None:
    async def run(transaction: Transaction) -> None:
        for statement in statements:
            await transaction.connection.execute(text(statement))

    await database.write(run)
