import asyncio

import pytest

from agent_faults import herd
from driftpin import limits
from driftpin.errors import RateLimited
from driftpin.server.admission import Admission


def test_x32_a_herd_that_comes_back_at_once_is_let_in_one_after_the_other() -> None:
    outcome = herd.run(120, seed=32)
    assert outcome.broken == []


async def test_x32_whoever_finds_no_place_is_told_when_to_come_back_each_at_another_time() -> None:
    shares = iter((0.0, 0.5, 0.99))
    admission = Admission(at_once_max=1, waiting_max=1, share=lambda: next(shares))
    served = asyncio.Event()

    async def call() -> None:
        async with admission.place():
            await served.wait()

    async with asyncio.TaskGroup() as group:
        calls = {group.create_task(call()) for _ in range(2)}
        await asyncio.wait(calls, timeout=0)
        asked = [await retry_after(admission) for _ in range(3)]
        served.set()
    assert asked == [1, 3, limits.ADMISSION_RETRY_MAX_S]
    async with admission.place():
        assert admission.refused == 3


async def retry_after(admission: Admission) -> object:
    with pytest.raises(RateLimited) as busy:
        async with admission.place():
            pass
    assert busy.value.code == "server_busy"
    return busy.value.fields["retry_after_s"]
