"""The order of events, who sees them, and from where a reader can go on. Rows G1 to G3."""

import asyncio
from typing import Any

import pytest

from driftpin.errors import NotFound
from driftpin.events.event import Event, EventKind, Position
from driftpin.identity import NOBODY, WORKER, Actor
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.share_chat import share_chat
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import Access
from driftpin.store.writing.events import record_event


async def seen_by(store: Store, actor: Actor, after: Position, **asked: Any) -> list[Event]:
    found: list[Event] = []
    while True:
        some, position = await store.list_events(actor, after=after, limit=2, **asked)
        found += some
        if position == after:
            return found
        after = position


def numbers(found: list[Event]) -> list[int]:
    return [event.position.number for event in found]


async def test_a_reader_never_passes_over_a_lower_number_that_commits_later(
    stage: Any, store: Store, gate: Any, clock: Any
) -> None:
    _, start = await store.first_and_last_position(WORKER)

    async def early(transaction: Transaction) -> int:
        return await record_event(transaction, EventKind.CHAT_CHANGED)

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(gate.hold(early))
        await gate.reached.wait()
        second = tasks.create_task(store.database.write(early))
        if store.database.engine_kind == "postgresql":
            await second
        assert await seen_by(store, WORKER, start) == []
        gate.opened.set()
    found = await seen_by(store, WORKER, start)
    assert numbers(found) == [first.result(), second.result()]


async def test_pages_join_without_gap_or_repetition(stage: Any, store: Store) -> None:
    _, start = await store.first_and_last_position(WORKER)
    for text in "abcdefg":
        await stage.agent.push({"AGENTS.md": text})
    found = await seen_by(store, stage.owner, start)
    assert [event.kind for event in found] == ["agent.head"] * 7
    assert numbers(found) == sorted(set(numbers(found)))
    half = found[3].position
    assert await seen_by(store, stage.owner, half) == found[4:]


async def test_each_caller_sees_its_own_and_the_position_still_moves_on(
    stage: Any, store: Store, people: Any
) -> None:
    _, start = await store.first_and_last_position(WORKER)
    chat_id = await stage.chat()
    await stage.agent.push({"AGENTS.md": "one"})
    kinds = [event.kind for event in await seen_by(store, stage.owner, start)]
    assert kinds == ["chat.created", "agent.head"]
    for stranger in (people.other, people.foreign_agent, NOBODY):
        found, position = await store.list_events(stranger, after=start, limit=100)
        assert found == ()
        assert position > start
    _, shared_at = await store.first_and_last_position(WORKER)
    await share_chat(store, stage.owner, chat_id, people.other_id, Access.READ)
    await stage.agent.push({"AGENTS.md": "two"})
    seen = [event.kind for event in await seen_by(store, people.other, shared_at)]
    assert "agent.head" in seen


async def test_one_chats_events_are_its_own_and_its_workspaces(stage: Any, store: Store) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    watched, other = await stage.chat(), await stage.chat()
    _, start = await store.first_and_last_position(WORKER)
    await stage.agent.push({"AGENTS.md": "two"})
    await refresh_context(store, stage.owner, other)
    await refresh_context(store, stage.owner, watched)
    found = await seen_by(store, stage.owner, start, chat_id=watched)
    assert [(event.kind, event.chat_id) for event in found] == [
        ("agent.head", None),
        ("chat.pinned", watched),
    ]


async def test_list_and_later_stored_events_agree_with_the_later_list(
    stage: Any, store: Store
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    _, start = await store.first_and_last_position(WORKER)
    listed = await stage.context(chat_id)
    await stage.agent.push({"AGENTS.md": "two"})
    await refresh_context(store, stage.owner, chat_id)
    pinned = [
        event
        for event in await seen_by(store, stage.owner, start)
        if event.kind is EventKind.CHAT_PINNED
    ]
    later = await stage.context(chat_id)
    assert listed.revision + len(pinned) == later.revision
    assert pinned[-1].payload["digest"] == later.snapshot.digest


async def test_a_failed_transaction_records_and_announces_nothing(stage: Any, store: Store) -> None:
    _, start = await store.first_and_last_position(WORKER)

    async def fail(transaction: Transaction) -> None:
        await record_event(transaction, EventKind.CHAT_CHANGED)
        raise NotFound

    announced: list[int] = []
    store.database.announce_commits_to(lambda: announced.append(1))
    with pytest.raises(NotFound):
        await store.database.write(fail)
    assert await seen_by(store, WORKER, start) == []
    assert announced == []


async def test_agents_drift_states_are_paged_and_only_of_visible_chats(
    stage: Any, store: Store, people: Any
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chats = sorted([await stage.chat() for _ in range(5)])
    await stage.agent.push({"AGENTS.md": "two"})
    await refresh_context(store, stage.owner, chats[0])
    agent_id = stage.agent.id
    first = await store.list_drift_states(stage.owner, agent_id, None, 3, None)
    rest = await store.list_drift_states(stage.owner, agent_id, None, 3, first[-1].chat_id)
    assert [state.chat_id for state in first + rest] == chats
    assert [state.context.dirty for state in first + rest] == [False, True, True, True, True]
    chosen = await store.list_drift_states(stage.owner, agent_id, chats[1:2], 3, None)
    assert [state.chat_id for state in chosen] == chats[1:2]
    assert await store.list_drift_states(people.other, agent_id, None, 3, None) == ()
