"""Restore a backup in the place of whatever the database held.

One transaction drops what was there, makes the tables as the backup's release had them, inserts
every row, brings the schema to this release and begins a new restore epoch. So a crash at any
moment leaves the database as it was.
"""

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from driftpin.errors import UsageError
from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.archive.format import Summary, check_archive
from driftpin.store.database import Transaction
from driftpin.store.schema import REVISIONS, migrate, require_known_schema
from driftpin.store.startup import lock_database
from driftpin.store.store import Store
from driftpin.store.writing.restored_rows import (
    begin_epoch,
    count_other_sessions,
    drop_everything,
    find_epoch,
    has_contents,
    insert_archive,
)

# Two restores of one backup begin two times: what one gave out must not pass in the other.
EPOCH_STEP_MAX: Final = 4_096


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and the restore epoch that began."""

    backup: Summary
    epoch: int


async def restore_backup(
    store: Store, actor: Actor, source: Path, *, may_replace: bool = False
) -> Restored:
    """Make the database what the backup holds, all of it or nothing; for workers.

    Raises UsageError: `backup_damaged`, `backup_newer`, `database_in_use`, `database_newer`, and
    `database_not_empty` unless what is there may be replaced.
    """
    require_worker(actor)
    backup = await asyncio.to_thread(check_archive, source)
    if backup.header.revision not in REVISIONS:
        raise UsageError(
            f"The backup is at revision {backup.header.revision!r} of the schema, which a newer "
            "release made; restore it with that release.",
            code="backup_newer",
        )
    lock = lock_database(store.database)
    try:
        await store.database.close()
        async with store.database.replace_all() as transaction:
            await _require_free(transaction, may_replace=may_replace)
            epoch = await _restore(transaction, source, backup)
    finally:
        if lock is not None:
            lock.release()
    return Restored(backup, epoch)


async def _require_free(transaction: Transaction, *, may_replace: bool) -> None:
    await require_known_schema(transaction.connection)
    if transaction.is_shared and await count_other_sessions(transaction.connection):
        raise UsageError(
            "Other processes of driftpin use this database; stop every server first.",
            code="database_in_use",
        )
    if not may_replace and await has_contents(transaction.connection):
        raise UsageError(
            "This database is not empty; name an empty one, or say --replace to lose what it has.",
            code="database_not_empty",
        )


async def _restore(transaction: Transaction, source: Path, backup: Summary) -> int:
    connection = transaction.connection
    before = max(await find_epoch(connection), backup.header.epoch)
    epoch = before + 1 + secrets.randbelow(EPOCH_STEP_MAX)
    await drop_everything(connection)
    await migrate(connection, backup.header.revision, transaction.reach)
    header = await insert_archive(connection, source)
    assert header == backup.header, "the backup did not change while it was restored"
    await migrate(connection, REVISIONS[-1], transaction.reach)
    await begin_epoch(transaction, epoch)
    return epoch


__all__ = ["Restored", "restore_backup"]
