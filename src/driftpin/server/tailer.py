"""The one thing per process that looks for new events, so that a thousand streams need not.

A wake-up says only that there may be something: every stream reads behind its own cursor.
"""

import asyncio

import structlog

from driftpin import limits
from driftpin.errors import DriftpinError
from driftpin.identity import WORKER
from driftpin.store.store import Store

log = structlog.get_logger(__name__)


class Tailer:
    """Counts moments at which events may have appeared; `wake` is one, a moved end another."""

    def __init__(
        self, store: Store, *, poll_interval_s: float = limits.EVENT_POLL_INTERVAL_S
    ) -> None:
        """Look at `store` every `poll_interval_s` besides what `wake` says."""
        self._store = store
        self._poll_interval_s = poll_interval_s
        self._count = 0
        self._moved = asyncio.Event()
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether streams are to end, because the server stops."""
        return self._is_closed

    def close(self) -> None:
        """Have every stream end."""
        self._is_closed = True
        self.wake()

    @property
    def count(self) -> int:
        """How often something may have appeared so far."""
        return self._count

    def wake(self) -> None:
        """Let every waiting reader look again."""
        self._count += 1
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def wait(self, seen: int, timeout_s: float | None = None) -> bool:
        """Wait until `count` is above `seen`; return False when that took longer than allowed."""
        if self._count > seen:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await self._moved.wait()
        except TimeoutError:
            return False
        return True

    async def poll_forever(self) -> None:
        """Notice what other processes commit; a lost wake-up costs one interval."""
        last: object = None
        while True:
            await asyncio.sleep(self._poll_interval_s)
            try:
                _, newest = await self._store.first_and_last_position(WORKER)
            except DriftpinError as refusal:
                log.warning("events_not_polled", code=refusal.code)
                continue
            if last is not None and newest != last:
                self.wake()
            last = newest


__all__ = ["Tailer"]
