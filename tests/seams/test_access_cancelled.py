"""Every door, left in the middle: who goes away leaves nothing half-done, and no connection behind.

A call is cancelled at one of its awaits, as the server does when its client hangs up. What it was
writing comes to its end or never was.
"""

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable, Generator
from types import coroutine
from typing import Any

from driftpin.errors import DriftpinError
from driftpin.identity import WORKER
from driftpin.operations.check_store import check_store
from driftpin.store.store import Store
from seams.access_world import Caller, Row, World
from seams.test_access import ROWS

AWAITS_MAX = 8
LEFT_MIN = len(ROWS) // 4


@coroutine
def _cancelled_at(called: Generator[Any, Any, object], number: int) -> Generator[Any, Any, object]:
    """Await what is called in the present task, which is cancelled at this await of it."""
    step: Callable[[Any], Any] = called.send
    given: Any = None
    while True:
        try:
            awaited = step(given)
        except StopIteration as end:
            return end.value
        number -= 1
        if number == 0:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        try:
            given = yield awaited
            step = called.send
        except BaseException as thrown:  # noqa: BLE001 whatever comes is for what is called
            given, step = thrown, called.throw


async def _is_left(called: Awaitable[object], number: int) -> bool:
    """Whether the call was cancelled before it had come to an end."""
    task = asyncio.ensure_future(_cancelled_at(called.__await__(), number))
    await asyncio.wait([task], timeout=30)
    assert task.done(), "it hangs"
    if task.cancelled():
        return True
    failure = task.exception()
    assert failure is None or isinstance(failure, DriftpinError), failure
    return False


async def _until_settled(store: Store) -> None:
    """Return once nobody holds a connection for writing; reading goes on meanwhile."""
    async with asyncio.timeout(30):
        await store.list_users(WORKER, limit=1)
        while store.database.pool_use()[0]:
            await store.list_users(WORKER, limit=1)


async def test_a_call_that_is_cancelled_leaves_nothing_half_done(world: World) -> None:
    draw = random.Random(7)
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, told: complaints.append(f"{told}")
    )
    left = 0
    for row in ROWS:
        left += await _is_left(_attempt(row, world), draw.randint(1, AWAITS_MAX))
        await _until_settled(world.store)
    gc.collect()
    assert complaints == []
    assert left >= LEFT_MIN
    assert await check_store(world.store, WORKER) == ()


async def _attempt(row: Row, world: World) -> object:
    """Try the door as the first caller that gets in, if any does."""
    inside = (caller for caller, found in row.outcomes.items() if found in ("ok", "nothing"))
    caller = next(inside, Caller.OWNER)
    return await row.attempt(world, world.actor_of(caller))
