"""Whether the workspace is set up far enough for its context to be pushed."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from driftpin import limits
from driftpin.agent.waiting import Waiter, wait_on_clock
from driftpin.clock import Clock


class Ready(StrEnum):
    """Why nothing has to be waited for any more."""

    AT_ONCE = "at_once"
    PATHS_EXIST = "paths_exist"
    SAID_SO = "said_so"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class ReadinessSettings:
    """What a start-up script leaves behind when it is done: paths, or a call of `driftpin ready`.

    Without either a workspace is ready at once.
    """

    paths: tuple[Path, ...] = ()
    waits_for_call: bool = False
    timeout_s: float = float(limits.READY_TIMEOUT_S)

    @property
    def is_at_once(self) -> bool:
        """Whether there is nothing to wait for."""
        return not self.paths and not self.waits_for_call


class Readiness:
    """A gate that opens once and stays open."""

    def __init__(
        self, settings: ReadinessSettings, clock: Clock, waiter: Waiter = wait_on_clock
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._waiter = waiter
        self._said_so = asyncio.Event()
        self.state: Ready | None = Ready.AT_ONCE if settings.is_at_once else None

    def say_ready(self) -> None:
        """Open the gate; what the settings name is not waited for any longer."""
        self._said_so.set()

    async def wait(self) -> Ready:
        """Return when the workspace is ready or the time for it is over."""
        ends_s = self._clock.monotonic_s() + self._settings.timeout_s
        while self.state is None:
            self.state = self._judge(ends_s)
            if self.state is None:
                await self._waiter(self._said_so, limits.READY_POLL_INTERVAL_MS / 1000)
        return self.state

    def _judge(self, ends_s: float) -> Ready | None:
        if self._said_so.is_set():
            return Ready.SAID_SO
        if self._settings.paths and all(path.exists() for path in self._settings.paths):
            return Ready.PATHS_EXIST
        return Ready.TIMED_OUT if self._clock.monotonic_s() >= ends_s else None


__all__ = ["Readiness", "ReadinessSettings", "Ready"]
