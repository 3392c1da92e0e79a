"""How the agent waits, so that a test can wait without time passing."""

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

from driftpin import limits


class Waiter(Protocol):
    """Waits for an event, but no longer than a time."""

    async def __call__(self, event: asyncio.Event, timeout_s: float) -> None:
        """Return when the event is set or the time is over, whichever comes first."""


async def wait_on_clock(event: asyncio.Event, timeout_s: float) -> None:
    """Wait on the loop's own clock."""
    try:
        async with asyncio.timeout(max(timeout_s, 0.0)):
            await event.wait()
    except TimeoutError:
        pass


class Backoff:
    """Growing waits with full jitter: between nothing and a ceiling that doubles up to a limit."""

    def __init__(
        self,
        share: Callable[[], float] = random.random,
        *,
        first_ms: int = limits.PUSH_RETRY_FIRST_MS,
        longest_ms: int = limits.PUSH_RETRY_LONGEST_MS,
    ) -> None:
        """Draw jitter from `share`, which returns numbers from 0 up to 1."""
        self._share = share
        self._first_ms = first_ms
        self._longest_ms = longest_ms
        self._failures = 0

    def next_wait_s(self) -> float:
        """Count one more failure and return how long to wait after it."""
        # The exponent is bounded, since a server may be away for weeks.
        ceiling_ms = self._first_ms * (1 << min(self._failures, 16))
        self._failures += 1
        return self._share() * min(ceiling_ms, self._longest_ms) / 1000

    def reset(self) -> None:
        """Forget all failures."""
        self._failures = 0


__all__ = ["Backoff", "Waiter", "wait_on_clock"]
