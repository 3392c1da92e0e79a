"""How long SQLite's write-ahead log is, and a warning where something keeps it from ending.

The log is written back into the database and begun anew only while nobody reads an older state. The
server's own readers are cut off (`Database.read`); a reader of another process can only be named.
"""

import asyncio
from typing import NoReturn

import structlog

from driftpin import limits
from driftpin.store.database import Database, sqlite_path

log = structlog.get_logger(__name__)


def wal_bytes(database: Database) -> int:
    """Return the length of the log; 0 where there is none, as on PostgreSQL."""
    path = sqlite_path(database.url)
    if path is None:
        return 0
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


def warn_of_wal(database: Database) -> bool:
    """Log a warning if the log is too long; return whether it is."""
    length_bytes = wal_bytes(database)
    is_long = length_bytes > limits.WAL_WARNED_BYTES
    if is_long:
        log.warning(
            "wal_long",
            bytes=length_bytes,
            detail="Another process reads the database for long; end it.",
        )
    return is_long


async def watch_wal(database: Database) -> NoReturn:
    """Look at the log for ever."""
    while True:
        warn_of_wal(database)
        await asyncio.sleep(limits.WAL_LOOK_S)


__all__ = ["wal_bytes", "warn_of_wal", "watch_wal"]
