"""Collect garbage: what no pin, no head and no history or receipt in its retention names.

Each step is a transaction of its own with a bounded number of rows, so a run holds nothing for
long, and one that fails loses only its own work.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from driftpin import limits
from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.agent_calls import remove_calls
from driftpin.store.writing.events import remove_events
from driftpin.store.writing.garbage import (
    release_heads,
    release_history,
    remove_blobs,
    remove_snapshots,
)


@dataclass(frozen=True, slots=True)
class Retention:
    """For how long things are kept that nothing present needs."""

    grace: timedelta = timedelta(seconds=limits.GRACE_S)
    heads: timedelta = timedelta(days=limits.HEADS_KEPT_DAYS)
    history: timedelta = timedelta(days=limits.HISTORY_KEPT_DAYS)
    events: timedelta = timedelta(days=limits.EVENTS_KEPT_DAYS)
    calls: timedelta = timedelta(days=limits.AGENT_CALLS_KEPT_DAYS)
    rows_max: int = limits.COLLECTED_PER_RUN_MAX


@dataclass(frozen=True, slots=True)
class CollectionReport:
    """How many rows one run let go of or removed."""

    heads: int
    history: int
    snapshots: int
    blobs: int
    events: int
    calls: int

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to collect."""
        return not any(
            (self.heads, self.history, self.snapshots, self.blobs, self.events, self.calls)
        )


class _Collect(Protocol):
    def __call__(
        self, transaction: Transaction, *, before: datetime, limit: int
    ) -> Awaitable[int]: ...


DEFAULT_RETENTION: Final = Retention()


async def collect_garbage(
    store: Store, actor: Actor, retention: Retention = DEFAULT_RETENTION
) -> CollectionReport:
    """Collect once; call it again while the report is not empty. For workers."""
    require_worker(actor)

    async def run(collect: _Collect, age: timedelta) -> int:
        return await _run(store, collect, age, retention.rows_max)

    return CollectionReport(
        heads=await run(release_heads, retention.heads),
        history=await run(release_history, retention.history),
        snapshots=await run(remove_snapshots, retention.grace),
        blobs=await run(remove_blobs, retention.grace),
        events=await run(remove_events, retention.events),
        calls=await run(remove_calls, retention.calls),
    )


async def _run(store: Store, collect: _Collect, age: timedelta, rows_max: int) -> int:
    async def step(transaction: Transaction) -> int:
        return await collect(transaction, before=transaction.now - age, limit=rows_max)

    return await store.database.write(step)


__all__ = ["DEFAULT_RETENTION", "CollectionReport", "Retention", "collect_garbage"]
