"""Collection against pushes, uploads, refreshes and new chats: nothing named is ever lost."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest

from driftpin.errors import BlobsMissing, Conflict, PushOutdated
from driftpin.identity import WORKER
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.check_store import check_store
from driftpin.operations.collect_garbage import Retention, collect_garbage
from driftpin.operations.create_chat import create_chat
from driftpin.operations.delete_chat import delete_chat
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.say_hello import say_hello
from driftpin.operations.store_blobs import store_blobs
from driftpin.store.store import Store
from people import People
from pushing import snapshot_with
from stepping import SteppedClock

# Whatever nothing names goes at once, a few rows at a time.
AT_ONCE = Retention(
    grace=timedelta(),
    heads=timedelta(),
    history=timedelta(days=400),
    events=timedelta(),
    rows_max=7,
)
ROUNDS = 40


@pytest.mark.parametrize("seed", range(2))
async def test_collection_under_load_loses_nothing_that_is_named(
    store: Store, people: People, clock: SteppedClock, seed: int
) -> None:
    draw, met = random.Random(seed), Counter[str]()
    await say_hello(store, people.agent, run_id="r", hostname="", os="", version="", roots={})
    pushing = asyncio.Event()

    async def push() -> None:
        for seq in range(1, ROUNDS + 1):
            clock.step(1)
            snapshot, blobs = snapshot_with(A=f"a {draw.randrange(4)}", B=f"b {draw.randrange(90)}")
            await store_blobs(store, people.agent, blobs.items())
            # The grace has ended at once, so bytes may be gone before the push names them.
            for sent in ({}, blobs):
                try:
                    await accept_snapshot(
                        store,
                        people.agent,
                        incarnation=1,
                        seq=seq,
                        snapshot=snapshot,
                        observations={},
                        blobs=sent.items(),
                    )
                except BlobsMissing:
                    met["blobs collected before their push"] += 1
                except PushOutdated:
                    met["outdated"] += 1
                else:
                    met["pushes"] += 1
                    break
        pushing.set()

    async def chat() -> None:
        while not pushing.is_set():
            view = await create_chat(store, people.owner, people.workspace_id)
            # Before the first push there is nothing to refresh to.
            with suppress(Conflict):
                await refresh_context(store, people.owner, view.chat.id)
            if draw.random() < 0.8:
                await delete_chat(store, people.owner, view.chat.id)
            met["chats"] += 1

    async def collect() -> None:
        while not pushing.is_set():
            report = await collect_garbage(store, WORKER, AT_ONCE)
            assert max(report.snapshots, report.blobs, report.events) <= AT_ONCE.rows_max
            met["collected"] += report.snapshots + report.blobs

    await asyncio.gather(push(), chat(), collect(), collect())
    assert met["pushes"] == ROUNDS, met
    assert met["collected"] > 0, met
    assert met["chats"] > 0, met
    assert await check_store(store, WORKER) == ()
