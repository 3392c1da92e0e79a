"""What a serving process must notice of the others by looking, since any word of it may be lost.

Every second on a database that is shared: new events, a schema that a newer release has migrated, a
restore, the operator's switch, and whether the database can be had at all. What is noticed is kept
here for requests, and streams are ended, with a reason, when they cannot go on.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from driftpin import limits
from driftpin.errors import DriftpinError, Unavailable
from driftpin.identity import WORKER
from driftpin.server.cursors import Cursors
from driftpin.server.tailer import Tailer
from driftpin.store.reading.pulse import Beat, SyncState
from driftpin.store.schema import HEAD
from driftpin.store.store import Store

STOPPING: Final = "stopping"
SCHEMA_CHANGED: Final = "schema_changed"
RESTORED: Final = "restored"
# One failed look may be a connection that had broken while nobody used it.
FAILURES_MAX: Final = 2

log = structlog.get_logger(__name__)


class Pulse:
    """The last look at the database. `sync` is the operator's switch as it stood then."""

    def __init__(
        self, store: Store, tailer: Tailer, cursors: Cursors, *, on_resume: Callable[[], None]
    ) -> None:
        """Wake and end streams through `tailer`; `cursors` learn of a restore.

        `on_resume` is called when pushes are taken again that were paused.
        """
        self._on_resume = on_resume
        self._store = store
        self._tailer = tailer
        self._cursors = cursors
        self._last: Beat | None = None
        self._failures = 0
        self._is_stopping = False
        self.sync = SyncState(is_paused=False)

    def stop(self) -> None:
        """Be ready for nothing more: the process is about to stop."""
        self._is_stopping = True

    async def check(self) -> None:
        """Look now; raises Unavailable with the reason why this process should get no requests.

        `stopping`, `schema_changed`, or what keeps the database away.
        """
        if self._is_stopping:
            raise Unavailable("This server stops; others go on.", code=STOPPING)
        await self.look()
        if self.is_outdated:
            raise Unavailable(
                "A newer release has migrated the database; this server is to be replaced.",
                code=SCHEMA_CHANGED,
            )

    @property
    def is_outdated(self) -> bool:
        """Whether the schema is not the one of this release any more."""
        return self._last is not None and self._last.revision != HEAD

    async def look(self) -> None:
        """Look once; raises Unavailable when the database cannot be had in time."""
        try:
            async with asyncio.timeout(limits.PULSE_TIMEOUT_S):
                beat = await self._store.read_beat(WORKER)
        except TimeoutError:
            raise Unavailable(
                "The storage cannot be reached; try again.", code="storage_unavailable"
            ) from None
        self._take(beat)

    async def beat_forever(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(limits.EVENT_POLL_INTERVAL_S)
            try:
                await self.look()
            except DriftpinError as refusal:
                self._count_failure(refusal.code)
            except Exception:
                log.exception("database_not_looked_at")
                self._count_failure("storage_unavailable")

    def _count_failure(self, code: str) -> None:
        self._failures += 1
        log.warning("database_not_looked_at", code=code, failures=self._failures)
        if self._failures == FAILURES_MAX:
            self._tailer.end_streams(code)

    def _take(self, beat: Beat) -> None:
        last, self._last, self._failures = self._last, beat, 0
        was_paused, self.sync = self.sync.is_paused, beat.sync
        if was_paused and not beat.sync.is_paused:
            self._on_resume()
        self._cursors.epoch = beat.restore_epoch
        if last is None:
            return
        if beat.newest_event != last.newest_event:
            self._tailer.wake()
        if beat.restore_epoch != last.restore_epoch:
            self._tailer.end_streams(RESTORED)
        if beat.revision != last.revision and self.is_outdated:
            log.error("schema_changed", found=beat.revision, expected=HEAD)
            self._tailer.end_streams(SCHEMA_CHANGED)


__all__ = ["STOPPING", "Pulse"]
