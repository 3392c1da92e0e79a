import asyncio

import pytest

from driftpin import limits
from driftpin.agent.barrier import Barrier
from driftpin.errors import RateLimited, Rejected


async def test_a_caller_waits_for_a_pass_that_began_after_it_asked() -> None:
    barrier: Barrier[str] = Barrier()
    waiting = asyncio.create_task(barrier.wait(2))
    await asyncio.wait({waiting}, timeout=0)
    barrier.settle(1, "too early")
    assert not waiting.done()
    barrier.settle(3, "late enough")
    assert await waiting == "late enough"


async def test_what_is_settled_already_is_answered_at_once() -> None:
    barrier: Barrier[str] = Barrier()
    barrier.settle(5, "settled")
    assert await barrier.wait(4) == "settled"


async def test_a_refusal_reaches_those_who_wait() -> None:
    barrier: Barrier[str] = Barrier()
    barrier.fail(1, Rejected(code="bad_source"))
    with pytest.raises(Rejected):
        await barrier.wait(1)


async def test_a_caller_that_went_away_is_forgotten() -> None:
    barrier: Barrier[str] = Barrier()
    for _ in range(limits.RESYNC_WAITERS_MAX + 1):
        waiting = asyncio.create_task(barrier.wait(1))
        await asyncio.wait({waiting}, timeout=0)
        waiting.cancel()
        await asyncio.wait({waiting})
    barrier.settle(1, "settled")


async def test_the_number_of_callers_that_wait_has_an_end() -> None:
    barrier: Barrier[str] = Barrier()
    waiting = [asyncio.create_task(barrier.wait(1)) for _ in range(limits.RESYNC_WAITERS_MAX)]
    await asyncio.wait(waiting, timeout=0)
    with pytest.raises(RateLimited):
        await barrier.wait(1)
    barrier.settle(1, "settled")
    assert set(await asyncio.gather(*waiting)) == {"settled"}
