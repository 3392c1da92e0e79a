"""Collection: what nothing names goes, what anybody names or pins at that moment stays."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from driftpin import limits
from driftpin.context.drift import Drift
from driftpin.errors import NotFound
from driftpin.identity import WORKER, ChatId
from driftpin.operations.accept_snapshot import accept_push
from driftpin.operations.check_store import check_store
from driftpin.operations.collect_garbage import Retention, collect_garbage
from driftpin.operations.hydrate_chats import birth_on
from driftpin.operations.import_snapshot import import_snapshot
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.store_blobs import store_blobs
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.reading import drift as drift_read
from driftpin.store.reading import drift_summaries as drift_summaries_read
from driftpin.store.reading.drift_summaries import KnownDrift
from driftpin.store.store import Store
from driftpin.store.tables import blobs, drift_summaries, events, snapshots
from driftpin.store.writing.births import NewChat, insert_chat
from driftpin.store.writing.drift_summaries import keep_drifts
from driftpin.store.writing.garbage import remove_blobs, remove_snapshots

DAY_S = 86_400


async def imported(stage: Any, store: Store, files: dict[str, str]) -> Any:
    push = stage.agent.next_push(files)
    return await import_snapshot(
        store, stage.owner, stage.workspace_id, push.snapshot, push.blobs.items()
    )


async def test_what_nothing_names_goes_after_its_grace_and_not_before(
    stage: Any, store: Store, clock: Any, stored_bytes: Any
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    kept = [await stored_bytes.count(table) for table in (snapshots, blobs)]
    await imported(stage, store, {"AGENTS.md": "unused"})
    clock.step(limits.GRACE_S)
    assert (await collect_garbage(store, WORKER)).is_empty
    clock.step(1)
    report = await collect_garbage(store, WORKER)
    assert (report.snapshots, report.blobs) == (1, 2)
    assert [await stored_bytes.count(table) for table in (snapshots, blobs)] == kept


async def test_offering_a_blob_again_renews_its_grace(stage: Any, store: Store, clock: Any) -> None:
    push = stage.agent.next_push({"AGENTS.md": "one"})
    await store_blobs(store, stage.agent.actor, push.blobs.items())
    clock.step(limits.GRACE_S)
    await store_blobs(store, stage.agent.actor, push.blobs.items())
    clock.step(limits.GRACE_S)
    assert (await collect_garbage(store, WORKER)).blobs == 0
    clock.step(1)
    assert (await collect_garbage(store, WORKER)).blobs == 1


async def test_old_heads_go_and_pins_history_and_the_present_head_keep_theirs(
    stage: Any, store: Store, clock: Any, stored_bytes: Any
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    for text in ("two", "three", "four"):
        await stage.agent.push({"AGENTS.md": text})
        if text == "two":
            await refresh_context(store, stage.owner, chat_id)
    clock.step((limits.HEADS_KEPT_DAYS + 1) * DAY_S)
    report = await collect_garbage(store, WORKER)
    assert (report.heads, report.snapshots) == (3, 1)
    assert await stored_bytes.count(snapshots) == 3
    assert await check_store(store, WORKER) == ()
    assert (await stage.context(chat_id)).dirty


async def test_each_step_is_bounded(stage: Any, store: Store, clock: Any) -> None:
    for number in range(5):
        await imported(stage, store, {"AGENTS.md": f"unused {number}"})
    clock.step(limits.GRACE_S + 1)
    reports = [await collect_garbage(store, WORKER, Retention(rows_max=2)) for _ in range(3)]
    assert [report.snapshots for report in reports] == [2, 2, 1]


async def test_a_pin_in_flight_keeps_its_snapshot_and_waits_for_no_collector(
    stage: Any, store: Store, clock: Any, gate: Any
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    found = await imported(stage, store, {"AGENTS.md": "imported"})
    clock.step(limits.GRACE_S + 1)

    async def pinning(transaction: Transaction) -> ChatId:
        birth = await birth_on(transaction, stage.owner, found.id, stage.agent.id, {})
        new = NewChat(stage.workspace_id, stage.owner.user_id, title="", model="offline")
        return await insert_chat(transaction, new, birth, {})

    async with asyncio.TaskGroup() as tasks:
        pinned = tasks.create_task(gate.hold(pinning))
        await gate.reached.wait()
        collection = tasks.create_task(collect_garbage(store, WORKER))
        if store.database.engine_kind is EngineKind.POSTGRESQL:
            await collection
        gate.opened.set()
    assert collection.result().snapshots == 0
    chat_id = pinned.result()
    assert await stage.digest(chat_id) == found.digest
    entries = (await store.list_pinned_entries(stage.owner, chat_id)).entries
    assert [await store.read_blob(stage.owner, entry.digest) for entry in entries if entry.digest]


async def test_a_pin_that_comes_too_late_is_told_so_and_breaks_nothing(
    stage: Any, store: Store, clock: Any, gate: Any, blocked: Any
) -> None:
    found = await imported(stage, store, {"AGENTS.md": "imported"})
    clock.step(limits.GRACE_S + 1)

    async def collecting(transaction: Transaction) -> int:
        return await remove_snapshots(transaction, before=transaction.now, limit=10)

    async def creating() -> None:
        with pytest.raises(NotFound):
            await stage.chat(snapshot=found.digest)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gate.hold(collecting))
        await gate.reached.wait()
        tasks.create_task(creating())
        await blocked()
        gate.opened.set()
    assert await check_store(store, WORKER) == ()


async def test_a_push_whose_old_blobs_are_being_collected_asks_for_them_or_has_them(
    stage: Any, store: Store, clock: Any, gate: Any, blocked: Any
) -> None:
    push = stage.agent.next_push({"AGENTS.md": "one"})
    await store_blobs(store, stage.agent.actor, push.blobs.items())
    clock.step(limits.GRACE_S + 1)

    async def collecting(transaction: Transaction) -> int:
        return await remove_blobs(transaction, before=transaction.now, limit=10)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gate.hold(collecting))
        await gate.reached.wait()
        pushing = tasks.create_task(stage.agent.send(push))
        await blocked()
        gate.opened.set()
    assert pushing.result().result == "accepted"
    assert await check_store(store, WORKER) == ()


async def test_blobs_of_a_push_in_flight_are_passed_over(
    stage: Any, store: Store, clock: Any, gate: Any
) -> None:
    push = stage.agent.next_push({"AGENTS.md": "one"})
    await store_blobs(store, stage.agent.actor, push.blobs.items())
    clock.step(limits.GRACE_S + 1)

    async def pushing(transaction: Transaction) -> Any:
        return await accept_push(transaction, stage.agent.actor, push)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gate.hold(pushing))
        await gate.reached.wait()
        collection = tasks.create_task(collect_garbage(store, WORKER))
        if store.database.engine_kind is EngineKind.POSTGRESQL:
            await collection
        gate.opened.set()
    assert collection.result().blobs == 0
    assert await check_store(store, WORKER) == ()


async def test_old_events_go_the_newest_stays_and_readers_behind_can_tell(
    stage: Any, store: Store, clock: Any, stored_bytes: Any
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    first, last = await store.first_and_last_position(WORKER)
    clock.step((limits.EVENTS_KEPT_DAYS + 1) * DAY_S)
    await collect_garbage(store, WORKER)
    assert await stored_bytes.count(events) == 1
    removed_to, newest = await store.first_and_last_position(WORKER)
    assert first < removed_to < newest == last
    retention = Retention(events=timedelta())
    assert (await collect_garbage(store, WORKER, retention)).events == 0


async def test_an_event_that_no_reader_could_read_yet_is_kept(
    stage: Any, store: Store, gate: Any, clock: Any
) -> None:
    if store.database.engine_kind is EngineKind.SQLITE:
        # One transaction writes at a time there, so whatever was committed can be read.
        return
    _, before = await store.first_and_last_position(WORKER)

    async def write_something(transaction: Transaction) -> None:
        number = dialect_of(transaction.connection).transaction_number()
        await transaction.connection.execute(select(number))

    holding = asyncio.create_task(gate.hold(write_something))
    await gate.reached.wait()
    chats = [await stage.chat() for _ in range(3)]
    clock.step((limits.EVENTS_KEPT_DAYS + 1) * DAY_S)
    await collect_garbage(store, WORKER)
    gate.opened.set()
    await holding
    told, _ = await store.list_events(stage.owner, after=before, limit=10)
    assert [event.chat_id for event in told] == chats


async def test_a_drift_whose_snapshots_were_collected_meanwhile_is_not_kept(
    store: Store, stored_bytes: Any
) -> None:
    made = {(10**6, 10**6 + 1): KnownDrift(Drift((), None), is_fresh=True)}
    await store.database.write(lambda transaction: keep_drifts(transaction, made))
    assert await stored_bytes.count(drift_summaries) == 0


async def test_a_head_that_is_collected_while_a_chat_is_read_is_looked_for_again(
    stage: Any, store: Store, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.agent.push({"AGENTS.md": "pinned"})
    chat_id = await stage.chat()
    old = (await stage.agent.push({"AGENTS.md": "old"})).head.digest
    new = ""
    looks = 0

    async def overtaken(*asked: Any) -> Any:
        nonlocal new, looks
        looks += 1
        if looks == 1:
            clock.step((limits.HEADS_KEPT_DAYS + 1) * DAY_S)
            new = (await stage.agent.push({"AGENTS.md": "new"})).head.digest
            assert (await collect_garbage(store, WORKER)).snapshots == 1
        return await drift_summaries_read.find_sound_drifts(*asked)

    monkeypatch.setattr(drift_read, "find_sound_drifts", overtaken)
    context = await stage.context(chat_id)
    assert context.dirty
    # On SQLite a read sees one moment throughout, and in it the old head is there.
    is_sqlite = store.database.engine_kind is EngineKind.SQLITE
    assert (context.head.digest, looks) == ((old, 1) if is_sqlite else (new, 2))
