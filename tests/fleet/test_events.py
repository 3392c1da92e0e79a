"""Events reach the clients of every replica, once each, whatever happens to the word of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from driftpin import limits
from driftpin.credentials import read_token
from driftpin.errors import Gone
from driftpin.events.event import Position
from driftpin.identity import NOBODY, WORKER, Actor
from driftpin.operations.collect_garbage import Retention, collect_garbage
from driftpin.server.cursors import Cursors
from driftpin.server.event_stream import EventStream
from driftpin.server.sse import end_when_slow, end_with_reason
from driftpin.store.database import Transaction
from driftpin.store.event_order import RESTORE_EPOCH
from driftpin.store.writing.accounts import put_fact
from driftpin.wire.api import EventShape, UpdateChatRequest
from driftpin.wire.transfer import SlowConsumerShape
from fleet.notifying import Fate, Notifications, socket_of, url_through
from fleet.pair import WAIT_S, Pair, open_pair
from stepping import SteppedClock
from tcp_proxy import TcpProxy, proxied

Told = AsyncIterator[tuple[EventShape, str | None]]


@asynccontextmanager
async def behind_a_proxy(
    database_url: str, rules: Notifications
) -> AsyncIterator[tuple[Pair, TcpProxy]]:
    """Give a pair whose second server reaches the database through a proxy."""
    async with (
        proxied(socket_of(database_url), rules.plan) as proxy,
        open_pair(database_url, url_through(proxy, database_url)) as pair,
    ):
        yield pair, proxy


async def rename(pair: Pair, chat_id: str, title: str) -> None:
    await pair.first.client.update_chat(chat_id, UpdateChatRequest(title=title))


async def next_change(told: Told) -> str | None:
    """Return the cursor of the next stored event."""
    async with asyncio.timeout(limits.STREAM_RECHECK_S - 0.5):
        while True:
            event, cursor = await anext(told)
            if event.kind == "chat.changed":
                return cursor


@pytest.mark.parametrize("fate", [Fate.DROPPED, Fate.DOUBLED, Fate.LATE])
async def test_x21_x22_events_arrive_once_when_notifications_do_not(
    database_url: str, fate: Fate
) -> None:
    assert limits.EVENT_POLL_INTERVAL_S < 2 < limits.STREAM_RECHECK_S - 0.5
    rules = Notifications()
    async with behind_a_proxy(database_url, rules) as (pair, _):
        chat = await pair.first.chat()
        async with pair.second.client.watch_events() as told:
            rules.fate = fate
            cursors = []
            for number in range(3):
                await rename(pair, chat.id, f"{number}")
                cursors.append(await next_change(told))
            assert rules.met >= 1
            rules.fate = Fate.PASSED
            rules.released.set()
            await rename(pair, chat.id, "last")
            cursors.append(await next_change(told))
            assert len(set(cursors)) == len(cursors)
            # Nothing is told twice afterwards: the next thing that comes is the next thing done.
            await pair.first.client.delete_chat(chat.id)
            async with asyncio.timeout(WAIT_S):
                event, _ = await anext(told)
            assert event.kind == "chat.deleted"


async def test_x22_without_a_connection_for_notifications_the_poll_is_enough(
    database_url: str,
) -> None:
    rules = Notifications(fate=Fate.DROPPED)
    async with behind_a_proxy(database_url, rules) as (pair, proxy):
        chat = await pair.first.chat()
        async with pair.second.client.watch_events() as told:
            proxy.is_refusing = True
            await rename(pair, chat.id, "unheard")
            await next_change(told)


async def test_a_reader_that_moves_between_replicas_misses_and_repeats_nothing(
    pair: Pair,
) -> None:
    chat = await pair.first.chat()
    clients = (pair.first.client, pair.second.client)
    titles = [f"{number}" for number in range(40)]
    heard: list[str] = []
    cursor: str | None = None
    async with clients[0].watch_events(chat_id=chat.id) as told:
        await rename(pair, chat.id, "begin")
        cursor = await next_change(told)

    async def write() -> None:
        for number, title in enumerate(titles):
            client = clients[number % 2]
            await client.update_chat(chat.id, UpdateChatRequest(title=title))

    writing = asyncio.create_task(write())
    while len(heard) < len(titles):
        reader = clients[len(heard) % 2]
        async with reader.watch_events(chat_id=chat.id, cursor=cursor) as told:
            for _ in range(3):
                if len(heard) == len(titles):
                    break
                cursor = await next_change(told)
                assert cursor is not None
                heard.append(cursor)
    await writing
    epoch = pair.first.server.services.cursors
    positions = [epoch.read_event(each) for each in heard]
    assert positions == sorted(set(positions))


async def test_x35_a_cursor_of_the_future_or_of_before_a_restore_is_gone_everywhere(
    pair: Pair,
) -> None:
    known = pair.first.server.services.cursors
    last = (await pair.first.server.services.store.first_and_last_position(WORKER))[1]
    future = known.write_event(Position(last.transaction_id + 1_000_000, last.number + 1))
    earlier = Cursors(known.sealer, known.clock, known.epoch - 1).write_event(last)
    for client in (pair.first.client, pair.second.client):
        for cursor in (future, earlier):
            with pytest.raises(Gone) as caught:
                async with client.watch_events(cursor=cursor):
                    pass
            assert caught.value.code == "resync_required"


async def test_x35_a_restore_under_open_streams_ends_them_for_good(pair: Pair) -> None:
    async with pair.second.client.watch_events() as told:
        store = pair.first.server.services.store

        async def begin_epoch(transaction: Transaction) -> None:
            await put_fact(transaction, RESTORE_EPOCH, "7")

        await store.database.write(begin_epoch)
        with pytest.raises(Gone) as caught:
            async with asyncio.timeout(WAIT_S):
                await anext(told)
        assert caught.value.code == "resync_required"
    async with pair.second.client.watch_events() as told:
        await pair.first.chat()
        async with asyncio.timeout(WAIT_S):
            await anext(told)


async def test_x34_a_reader_that_comes_back_behind_the_window_reads_anew(pair: Pair) -> None:
    chat = await pair.first.chat()
    async with pair.first.client.watch_events(chat_id=chat.id) as told:
        await rename(pair, chat.id, "seen")
        cursor = await next_change(told)
    for number in range(5):
        await rename(pair, chat.id, f"missed {number}")
    retention = Retention(events=timedelta())
    removed = await collect_garbage(pair.first.server.services.store, WORKER, retention)
    assert removed.events > 0
    with pytest.raises(Gone) as caught:
        async with pair.second.client.watch_events(chat_id=chat.id, cursor=cursor):
            pass
    assert caught.value.code == "resync_required"
    async with pair.second.client.watch_events(chat_id=chat.id) as told:
        assert (await pair.second.client.get_chat(chat.id)).title == "missed 4"
        await rename(pair, chat.id, "heard")
        await next_change(told)
    assert (await pair.second.client.get_chat(chat.id)).title == "heard"


async def test_x33_a_slow_reader_is_closed_with_its_cursor_and_resumes_without_gap(
    pair: Pair,
) -> None:
    services = replace(pair.second.server.services, clock=SteppedClock())
    clock = services.clock
    assert isinstance(clock, SteppedClock)
    actor = await services.store.resolve_token(NOBODY, read_token(pair.first.token).secret_digest)

    async def recheck() -> Actor:
        return actor

    chat = await pair.first.chat()
    stream = EventStream(services, recheck, actor)
    await stream.begin(None)
    for number in range(4):
        await rename(pair, chat.id, f"{number}")
    taken = end_when_slow(end_with_reason(stream.events(), services.tailer), clock)
    opened, first = await anext(taken), await anext(taken)
    clock.step(limits.STREAM_SEND_TIMEOUT_S + 1)
    last = [event async for event in taken]
    assert opened.event is None
    assert [event.event for event in last] == ["slow_consumer"]
    told = SlowConsumerShape.model_validate_json(str(last[0].data))
    assert told.cursor == first.id
    async with pair.first.client.watch_events(cursor=told.cursor) as resumed:
        heard = [await next_change(resumed) for _ in range(3)]
    assert len({first.id, *heard}) == 4
