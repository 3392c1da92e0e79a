"""The stream of events (spec/pinning.md §8, spec/bad-input.md G1-G4)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sse_starlette.event import ServerSentEvent

from door import Door, problem_of
from driftpin import limits
from driftpin.errors import Unauthenticated
from driftpin.events.event import EventKind, Position
from driftpin.identity import WORKER, Actor, TokenId
from driftpin.operations.collect_garbage import collect_garbage
from driftpin.operations.revoke_token import revoke_token
from driftpin.server.cursors import Cursors
from driftpin.server.event_stream import EventStream
from driftpin.server.sse import end_when_slow, sent_event
from driftpin.wire.api import EventShape, RefreshRequest, ReleaseRequest
from driftpin.wire.transfer import HealthShape
from served import Site
from stepping import SteppedClock

WAIT_S = 5.0


async def until(
    events: AsyncIterator[tuple[EventShape, str | None]], kind: EventKind
) -> tuple[list[str], EventShape, str | None]:
    """Return the kinds that came before, and the first event of this kind with its cursor."""
    seen: list[str] = []
    async with asyncio.timeout(WAIT_S):
        async for event, cursor in events:
            if event.kind == kind:
                return seen, event, cursor
            seen.append(event.kind)
    raise AssertionError("the stream goes on")


async def test_an_edit_that_is_pushed_is_seen_as_dirty_and_its_refresh_as_clean(
    site: Site,
) -> None:
    await site.hello()
    await site.push(AGENTS="old")
    chat = await site.chat()
    async with site.client.watch_events(chat_id=chat.id) as events:
        head = (await site.push(AGENTS="new")).head.digest
        _, dirty, _ = await until(events, EventKind.CHAT_DIRTY)
        assert (dirty.chat_id, dirty.payload["head"]) == (chat.id, head)
        assert dirty.payload["severity"] == "behavioural"
        await site.push(AGENTS="old")
        _, clean, _ = await until(events, EventKind.CHAT_CLEAN)
        assert clean.payload["revision"] == 1


async def test_a_hold_is_seen_as_clean_and_its_release_as_dirty(site: Site) -> None:
    await site.hello()
    await site.push(AGENTS="old")
    chat = await site.chat()
    await site.push(AGENTS="new")
    async with site.client.watch_events(chat_id=chat.id) as events:
        all_held = RefreshRequest(accept=(), hold=("workspace:AGENTS.md",))
        held = await site.client.refresh_context(chat.id, all_held)
        assert (held.revision, held.dirty, held.held) == (1, False, 1)
        _, clean, _ = await until(events, EventKind.CHAT_CLEAN)
        assert (clean.chat_id, clean.payload["revision"]) == (chat.id, 1)
        assert (await site.client.release_holds(chat.id, ReleaseRequest())).items == ()
        _, dirty, _ = await until(events, EventKind.CHAT_DIRTY)
        assert dirty.payload["severity"] == "behavioural"


async def test_a_push_is_told_as_the_pins_that_it_made(site: Site) -> None:
    await site.hello()
    chat = await site.chat()
    async with site.client.watch_events() as events:
        head = (await site.push(AGENTS="x")).head.digest
        _, pinned, _ = await until(events, EventKind.CHAT_PINNED)
        assert pinned.chat_id == chat.id
        assert (pinned.payload["verb"], pinned.payload["snapshot"]) == ("hydrate", head)


async def test_a_stream_goes_on_behind_its_cursor_without_gap_or_repetition(site: Site) -> None:
    await site.hello()
    async with site.client.watch_events() as events:
        first = await site.chat()
        _, created, cursor = await until(events, EventKind.CHAT_CREATED)
        assert created.chat_id == first.id
    missed = [await site.chat() for _ in range(3)]
    async with site.client.watch_events(cursor=cursor) as events:
        seen = [(await until(events, EventKind.CHAT_CREATED))[1].chat_id for _ in missed]
    assert seen == [chat.id for chat in missed]


async def test_a_stream_of_a_chat_that_one_may_not_see_is_not_found(door: Door) -> None:
    chat = await door.chat()
    response = await door.get(door.people.other, f"/events?chat={chat['id']}")
    assert problem_of(response) == (404, "not_found")


async def test_g1_a_cursor_that_is_too_old_asks_for_a_resync(
    door: Door, clock: SteppedClock
) -> None:
    old = door.services.cursors.write_event(Position(0, 0))
    await door.chat()
    await door.chat()
    clock.step((limits.EVENTS_KEPT_DAYS + 1) * 86_400)
    while not (await collect_garbage(door.services.store, WORKER)).is_empty:
        pass
    response = await door.get(door.people.owner, f"/events?cursor={old}")
    assert problem_of(response) == (410, "resync_required")


async def test_a_reader_that_is_connected_and_falls_behind_retention_is_ended_without_a_gap(
    door: Door, clock: SteppedClock
) -> None:
    people = door.people

    async def recheck() -> Actor:
        return people.owner

    stream = EventStream(door.services, recheck, people.owner)
    await stream.begin(None)
    events = stream.events()
    opened = await anext(events)
    for _ in range(3):
        await door.chat()
    clock.step((limits.EVENTS_KEPT_DAYS + 1) * 86_400)
    await collect_garbage(door.services.store, WORKER)
    assert [event async for event in events] == []
    response = await door.get(people.owner, f"/events?cursor={opened.id}")
    assert problem_of(response) == (410, "resync_required")


async def test_g2_a_cursor_of_the_future_asks_for_a_resync(door: Door) -> None:
    future = door.services.cursors.write_event(Position(2**40, 2**40))
    response = await door.call(
        door.people.owner, "GET", "/events", headers={"Last-Event-ID": future}
    )
    assert problem_of(response) == (410, "resync_required")


async def test_g3_a_cursor_from_before_a_restore_asks_for_a_resync(door: Door) -> None:
    cursors = door.services.cursors
    before = Cursors(cursors.sealer, cursors.clock, cursors.epoch - 1)
    cursor = before.write_event(Position(0, 0))
    response = await door.get(door.people.owner, f"/events?cursor={cursor}")
    assert problem_of(response) == (410, "resync_required")


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%00"])
async def test_a_cursor_from_elsewhere_is_bad(door: Door, cursor: str) -> None:
    response = await door.get(door.people.owner, f"/events?cursor={cursor}")
    assert problem_of(response) == (400, "bad_cursor")


async def test_g4_a_reader_that_is_too_slow_gets_its_cursor_and_the_end(
    clock: SteppedClock,
) -> None:
    async def many() -> AsyncIterator[ServerSentEvent]:
        for number in range(10):
            yield sent_event("something", HealthShape(status="ok"), f"cursor-{number}")

    taken = []
    async for event in end_when_slow(many(), clock):
        taken.append(event)
        if len(taken) == 2:
            clock.step(limits.STREAM_SEND_TIMEOUT_S + 1)
    assert [event.event for event in taken] == ["something", "something", "slow_consumer"]
    assert '"cursor":"cursor-1"' in str(taken[-1].data)


async def test_cursors_do_not_tell_how_much_others_do(door: Door) -> None:
    first = door.services.cursors.write_event(Position(1, 1))
    second = door.services.cursors.write_event(Position(1, 2))
    assert len(first) == len(second)
    assert first[:8] != second[:8]


async def test_a_stream_ends_when_its_token_is_revoked(door: Door) -> None:
    store = door.services.store
    await door.token_of(door.people.owner)
    tokens = await store.list_tokens(door.people.owner)

    async def recheck() -> Actor:
        rows = await store.list_tokens(door.people.owner)
        if any(row.revoked_at is not None for row in rows):
            raise Unauthenticated
        return door.people.owner

    stream = EventStream(door.services, recheck, door.people.owner)
    await stream.begin(None)
    events = stream.events()
    await anext(events)
    mine = next(row for row in tokens if row.user_id == door.people.owner_id)
    await revoke_token(store, door.people.owner, TokenId(mine.id))
    door.services.tailer.wake()
    async with asyncio.timeout(WAIT_S):
        assert [event async for event in events] == []


async def test_nothing_of_others_is_streamed(door: Door) -> None:
    async def recheck() -> Actor:
        return door.people.other

    stream = EventStream(door.services, recheck, door.people.other)
    await stream.begin(None)
    await door.chat()
    door.services.tailer.close("stopping")
    assert [event.event async for event in stream.events()] == [None]
