"""What is looked at before a server serves: that storage will keep what it says it kept.

On SQLite one server process owns a database file. PostgreSQL may have any number of them.
"""

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import text

from driftpin.errors import UsageError
from driftpin.store.constraints import find_missing_constraints
from driftpin.store.database import Database, sqlite_path

SYNCHRONOUS_FULL: Final = 2
# A reported defect of write-ahead logs can lose commits in these versions (SQLite, WAL reset).
DEFECTIVE_FROM: Final = (3, 7, 0)
DEFECTIVE_TO: Final = (3, 51, 2)
NETWORK_FILE_SYSTEMS: Final = frozenset(
    {"afs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "lustre", "ncpfs", "nfs", "nfs4"}
    | {"smb3", "smbfs"}
)
MOUNTS: Final = Path("/proc/self/mounts")


@dataclass(frozen=True, slots=True)
class StartupWarning:
    """Something that a person should know, though the server starts."""

    code: str
    message: str


async def check_storage(database: Database) -> tuple[StartupWarning, ...]:
    """Refuse storage that would lose acknowledged writes; return what is merely worth knowing.

    The schema must have been prepared. Raises UsageError: `database_incomplete`,
    `database_on_network`, `database_unsafe`.
    """
    await _refuse_missing_constraints(database)
    path = sqlite_path(database.url)
    if path is None:
        return ()
    mounts = MOUNTS.read_text(encoding="utf-8") if MOUNTS.exists() else ""
    refuse_network_file_system(path.resolve(), mounts)
    await _refuse_unsafe_settings(database)
    return warn_of_engine(sqlite3.sqlite_version_info)


def warn_of_engine(version: tuple[int, ...]) -> tuple[StartupWarning, ...]:
    """Return a warning for versions of SQLite with a reported defect in write-ahead logs."""
    if not DEFECTIVE_FROM <= version[:3] <= DEFECTIVE_TO:
        return ()
    written = ".".join(str(part) for part in version[:3])
    return (
        StartupWarning(
            "sqlite_version",
            f"SQLite {written} has a reported defect in its write-ahead log; "
            "3.51.3 or later is better, or use PostgreSQL.",
        ),
    )


def refuse_network_file_system(path: Path, mounts: str) -> None:
    """Refuse a file under a network mount, where locks and shared memory do not hold.

    `mounts` is in the form of /proc/self/mounts; where there is none, nothing is refused.
    """
    kind = _file_system_of(path, mounts)
    if kind in NETWORK_FILE_SYSTEMS:
        raise UsageError(
            f"{str(path)!r} is on a network file system ({kind}), where SQLite can lose data; "
            "choose a local directory, or use PostgreSQL.",
            code="database_on_network",
        )


class ServerLock:
    """The one server process of an SQLite database, until it is released or the process ends."""

    def __init__(self, descriptor: int) -> None:
        """Keep the descriptor open: the lock ends with it."""
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let another process have the database; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_database(database: Database) -> ServerLock | None:
    """Claim an SQLite database for this process; None where processes may share it.

    Raises UsageError (`database_in_use`) with the other process's id while another has it, and
    `database_read_only` where its directory takes no files.
    """
    path = sqlite_path(database.url)
    if path is None:
        return None
    import fcntl  # there is none on Windows, where the agent and the client still work

    lock_path = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as failure:
        raise UsageError(
            f"{str(path.parent)!r} cannot be written: {failure.strerror}.",
            code="database_read_only",
        ) from failure
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as failure:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise UsageError(
            f"Process {holder or 'unknown'} already serves {str(path)!r}; stop it first.",
            code="database_in_use",
        ) from failure
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
    return ServerLock(descriptor)


async def _refuse_missing_constraints(database: Database) -> None:
    missing = await find_missing_constraints(database)
    if missing:
        raise UsageError(
            f"The database lacks what keeps its rows in order ({'; '.join(missing)}); "
            "restore a backup, or put it back.",
            code="database_incomplete",
        )


async def _refuse_unsafe_settings(database: Database) -> None:
    async with database.connect_for_schema() as connection:
        synchronous = (await connection.execute(text("PRAGMA synchronous"))).scalar_one()
        journal = (await connection.execute(text("PRAGMA journal_mode"))).scalar_one()
    if synchronous < SYNCHRONOUS_FULL or journal != "wal":
        raise UsageError(
            f"SQLite runs with journal_mode={journal!r} and synchronous={synchronous} here, which "
            "can lose what was acknowledged; choose a directory on a local disk.",
            code="database_unsafe",
        )


def _file_system_of(path: Path, mounts: str) -> str:
    # Later mounts hide earlier ones, and the longest mount point above the path is the one.
    kind, longest = "", -1
    for line in mounts.splitlines():
        fields = line.split(" ")
        mount_point = Path(fields[1].replace("\\040", " "))
        depth = len(mount_point.parts)
        if depth >= longest and path.is_relative_to(mount_point):
            kind, longest = fields[2], depth
    return kind


__all__ = [
    "ServerLock",
    "StartupWarning",
    "check_storage",
    "lock_database",
    "refuse_network_file_system",
    "warn_of_engine",
]
