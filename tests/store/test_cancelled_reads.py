"""A read that is cancelled in the middle of a statement leaves nothing waiting behind."""

import asyncio
import gc

from driftpin.identity import WORKER
from driftpin.store.store import Store

READS = 200
TURNS_OF_THE_LOOP = 10


async def test_cancelled_reads_leave_no_task_behind(store: Store) -> None:
    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, told: complaints.append(f"{told}"))
    for number in range(READS):
        reading = asyncio.create_task(store.list_users(WORKER, limit=1))
        for _ in range(number % TURNS_OF_THE_LOOP):
            await asyncio.wait([reading], timeout=0)
        reading.cancel()
        # As a server that stops does with whoever hung up a moment before.
        await asyncio.wait([reading], timeout=0)
        reading.cancel()
        await asyncio.wait([reading])
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=30)
    gc.collect()
    assert complaints == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await store.list_users(WORKER, limit=1)
