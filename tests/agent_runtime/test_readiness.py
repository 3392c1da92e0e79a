import asyncio
from pathlib import Path

from agent_runtime.world import WAIT_S, SteppedClock
from driftpin.agent.readiness import Readiness, ReadinessSettings, Ready


class SteppingWaiter:
    """Lets time pass instead of waiting, and does one thing on the way."""

    def __init__(self, clock: SteppedClock) -> None:
        self._clock = clock
        self.rounds = 0

    async def __call__(self, event: asyncio.Event, timeout_s: float) -> None:
        self._clock.step(timeout_s)
        self.rounds += 1


def readiness_for(settings: ReadinessSettings) -> tuple[Readiness, SteppingWaiter]:
    clock = SteppedClock()
    waiter = SteppingWaiter(clock)
    return Readiness(settings, clock, waiter), waiter


async def test_without_conditions_a_workspace_is_ready_at_once() -> None:
    readiness, waiter = readiness_for(ReadinessSettings())
    assert await readiness.wait() is Ready.AT_ONCE
    assert waiter.rounds == 0


async def test_a_workspace_is_ready_when_all_its_paths_exist(tmp_path: Path) -> None:
    paths = (tmp_path / "one", tmp_path / "two")
    readiness, _ = readiness_for(ReadinessSettings(paths))
    paths[0].touch()
    assert readiness.state is None
    paths[1].touch()
    assert await readiness.wait() is Ready.PATHS_EXIST


async def test_a_workspace_is_ready_when_its_start_up_script_says_so(tmp_path: Path) -> None:
    readiness, _ = readiness_for(ReadinessSettings((tmp_path / "never",)))
    readiness.say_ready()
    assert await readiness.wait() is Ready.SAID_SO


async def test_waiting_for_readiness_ends(tmp_path: Path) -> None:
    readiness, waiter = readiness_for(ReadinessSettings((tmp_path / "never",), timeout_s=10))
    assert await asyncio.wait_for(readiness.wait(), WAIT_S) is Ready.TIMED_OUT
    assert waiter.rounds == 40
