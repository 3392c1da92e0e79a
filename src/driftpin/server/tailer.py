"""The one thing per process that says when to look for new events, so that streams need not ask.

A wake-up says only that there may be something: every stream reads behind its own cursor.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from driftpin import limits


class Tailer:
    """Counts moments at which events may have appeared, and says when streams are to end."""

    def __init__(self) -> None:
        """Begin at the first moment."""
        self._count = 0
        self._moved = asyncio.Event()
        self._is_closed = False
        self._endings = 0
        self.end_reason = ""
        self._bounds: set[asyncio.Timeout] = set()

    @property
    def endings(self) -> int:
        """How often all streams were ended; a stream keeps the number that it began with."""
        return self._endings

    def has_ended(self, endings: int) -> bool:
        """Whether a stream that began at `endings` is to end."""
        return self._is_closed or self._endings != endings

    def end_streams(self, reason: str) -> None:
        """Have every stream end that is open now, and say why."""
        self._endings += 1
        self.end_reason = reason
        self.wake()
        if self._bounds:
            latest_s = asyncio.get_running_loop().time() + limits.STREAM_END_GRACE_S
            for bound in self._bounds:
                if not bound.expired():
                    bound.reschedule(latest_s)

    @asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """Do one step of a stream; TimeoutError soon after streams are ended, if it still takes."""
        async with asyncio.timeout(None) as bound:
            self._bounds.add(bound)
            try:
                yield
            finally:
                self._bounds.discard(bound)

    def close(self, reason: str) -> None:
        """Have every stream end, and those that are still to come."""
        self._is_closed = True
        self.end_streams(reason)

    @property
    def count(self) -> int:
        """How often something may have appeared so far."""
        return self._count

    def wake(self) -> None:
        """Let every waiting reader look again."""
        self._count += 1
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    @asynccontextmanager
    async def unhurried(self) -> AsyncIterator[None]:
        """Look, and then rest as long: every commit of everybody wakes, and may be one of many."""
        time_s = asyncio.get_running_loop().time
        began_s = time_s()
        yield
        await asyncio.sleep(min(time_s() - began_s, limits.STREAM_LOOK_REST_LONGEST_S))

    async def wait(self, seen: int, timeout_s: float | None = None) -> bool:
        """Wait until `count` is above `seen`; return False when that took longer than allowed."""
        now_s = asyncio.get_running_loop().time()
        return await self._wait(seen, None if timeout_s is None else now_s + timeout_s)

    async def rest(self, seen: int, period_s: float) -> bool:
        """Wait until `count` is above `seen`; return False when the period ended before that.

        Periods end at the same moments for all that rest, who can then ask something together.
        """
        now_s = asyncio.get_running_loop().time()
        return await self._wait(seen, (now_s // period_s + 1) * period_s)

    async def _wait(self, seen: int, latest_s: float | None) -> bool:
        if self._count > seen:
            return True
        try:
            async with asyncio.timeout_at(latest_s):
                await self._moved.wait()
        except TimeoutError:
            return False
        return True


__all__ = ["Tailer"]
