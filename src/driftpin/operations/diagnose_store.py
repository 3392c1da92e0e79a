"""Ask a store what `driftpin doctor` wants to know of it; nothing is changed."""

from datetime import timedelta

from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.reading.diagnosis import DatabaseFacts, read_facts
from driftpin.store.schema import HEAD
from driftpin.store.store import Store


async def diagnose_store(store: Store, actor: Actor, *, grace: timedelta) -> DatabaseFacts:
    """Return the facts; for workers. Raises Unavailable, and UsageError (`database_newer`)."""
    require_worker(actor)
    database = store.database
    return await read_facts(database, head=HEAD, now=database.clock.now(), grace=grace)


__all__ = ["diagnose_store"]
