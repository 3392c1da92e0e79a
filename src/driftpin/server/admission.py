"""How many agents are served at a time, so that a herd of them neither drowns nor starves people.

After a restart every agent says hello and pushes at once. A few are served, some wait, and whoever
finds no place is asked to come back a little later, each at another time.
"""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from driftpin import limits
from driftpin.errors import RateLimited


class Admission:
    """The places of one process."""

    def __init__(
        self,
        at_once_max: int = limits.ADMITTED_AT_ONCE_MAX,
        waiting_max: int = limits.ADMISSION_WAITING_MAX,
        share: Callable[[], float] = random.random,
    ) -> None:
        """Serve so many at once; `share` gives numbers from 0 up to 1."""
        self._places = asyncio.Semaphore(at_once_max)
        self._waiting_max = waiting_max
        self._waiting = 0
        self._share = share
        self.refused = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place, first come first served; raises RateLimited (`server_busy`)."""
        if self._waiting >= self._waiting_max:
            self.refused += 1
            raise RateLimited(
                "Too many agents call at once; this one is expected again shortly.",
                code="server_busy",
                retry_after_s=math.ceil(self._share() * limits.ADMISSION_RETRY_MAX_S) or 1,
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()


__all__ = ["Admission"]
