"""Write a backup of a database, also of one that is in use."""

from pathlib import Path

from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.archive.format import Header, Summary, new_archive
from driftpin.store.archive.rows import write_tables
from driftpin.store.event_order import RESTORE_EPOCH
from driftpin.store.reading.accounts import get_deployment
from driftpin.store.schema import require_current_schema
from driftpin.store.store import Store


async def write_backup(
    store: Store, actor: Actor, target: Path, *, may_replace: bool = False
) -> Summary:
    """Write the state of one instant to `target`, whole or not at all; for workers.

    Servers go on reading and writing meanwhile. Raises UsageError (`file_exists`, `database_older`,
    `database_newer`, `no_database`).
    """
    require_worker(actor)
    async with store.database.read_one_instant() as connection:
        revision = await require_current_schema(connection)
        epoch = await get_deployment(connection, actor, RESTORE_EPOCH)
        made_at = store.database.clock.now().isoformat()
        header = Header(revision, made_at, int(epoch or 0))
        with new_archive(target, header, may_replace=may_replace) as archive:
            return Summary(header, await write_tables(connection, archive))


__all__ = ["write_backup"]
