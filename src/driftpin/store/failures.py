"""What a database failure means to a caller: try it again, or say that it cannot be had."""

import secrets
import sqlite3
from collections.abc import Mapping
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from driftpin.errors import DriftpinError, StorageTrouble

log = structlog.get_logger(__name__)

# PostgreSQL: serialization failure, deadlock detected.
RETRYABLE_STATES: Final = frozenset({"40001", "40P01"})


class StorageFull(StorageTrouble):
    """The storage is full; free some space. Reading goes on."""

    default_code = "storage_full"


class StorageBusy(StorageTrouble):
    """The storage is busy; try again."""

    default_code = "storage_busy"


class StorageReadOnly(StorageTrouble):
    """The storage takes no writes at the moment; reading goes on."""

    default_code = "storage_read_only"


class StorageDamaged(StorageTrouble):
    """The storage is damaged here; run `driftpin fsck`. The log has more under this id."""

    default_code = "storage_damaged"


# What passes by itself, or when somebody brings the storage back.
AWAY: Final = frozenset(
    each.default_code for each in (StorageBusy, StorageReadOnly, StorageTrouble)
)

# PostgreSQL: disk full; lock not available and query cancelled by a timeout; a standby, or told to
# be read-only; damaged pages and indexes.
OF_STATES: Final[Mapping[str, type[StorageTrouble]]] = {
    "53100": StorageFull,
    "55P03": StorageBusy,
    "57014": StorageBusy,
    "25006": StorageReadOnly,
    "XX001": StorageDamaged,
    "XX002": StorageDamaged,
}
OF_SQLITE: Final[Mapping[int, type[StorageTrouble]]] = {
    sqlite3.SQLITE_FULL: StorageFull,
    sqlite3.SQLITE_BUSY: StorageBusy,
    sqlite3.SQLITE_LOCKED: StorageBusy,
    sqlite3.SQLITE_INTERRUPT: StorageBusy,
    sqlite3.SQLITE_READONLY: StorageReadOnly,
    sqlite3.SQLITE_CORRUPT: StorageDamaged,
    sqlite3.SQLITE_NOTADB: StorageDamaged,
    sqlite3.SQLITE_IOERR: StorageTrouble,
    sqlite3.SQLITE_CANTOPEN: StorageTrouble,
}
# Extended codes of SQLite carry the code of their family in the lowest byte.
FAMILY_MASK: Final = 0xFF

# PostgreSQL: connection exceptions; ends of the server that an operator or a crash brought.
LOST_CLASSES: Final = frozenset({"08", "57"})


def sql_state(failure: DBAPIError) -> str:
    """Return PostgreSQL's five-character code, or an empty text where there is none."""
    original = failure.orig
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    return str(state or "")


def is_retryable(failure: DBAPIError) -> bool:
    """Whether the same operation, run again from its start, may succeed at once."""
    return sql_state(failure) in RETRYABLE_STATES


def was_cut_off(failure: DBAPIError) -> bool:
    """Whether the connection ended under the operation, before anything was asked to commit.

    A pool may hold connections whose server has begun anew; on a fresh one the operation may
    succeed.
    """
    return failure.connection_invalidated


def unavailable_from(failure: Exception) -> DriftpinError:
    """Return what a caller is told; broken constraints and statements pass through as they are."""
    family = _family_of(failure)
    return damage_of(failure) if family is StorageDamaged else family()


def damage_of(failure: Exception | None = None, *, detail: str = "") -> StorageDamaged:
    """Return what a caller is told of damage; the log says what it is, under the same id."""
    fault_id = secrets.token_hex(8)
    log.error("storage_damaged", fault_id=fault_id, detail=detail, exc_info=failure)
    return StorageDamaged(fault_id=fault_id)


def is_connection_lost(failure: Exception) -> bool:
    """Whether the engine went away, so that nothing is known of what it did last."""
    if not isinstance(failure, DBAPIError):
        return isinstance(failure, OSError)
    return failure.connection_invalidated or sql_state(failure)[:2] in LOST_CLASSES


def _family_of(failure: Exception) -> type[StorageTrouble]:
    if isinstance(failure, PoolTimeoutError):
        return StorageBusy
    if not isinstance(failure, DBAPIError):
        return StorageTrouble
    state = sql_state(failure)
    if is_retryable(failure):
        return StorageBusy
    known = OF_STATES.get(state) or OF_SQLITE.get(_sqlite_code(failure))
    if known is not None:
        return known
    if not _is_connection_trouble(failure, state):
        raise failure
    return StorageTrouble


def _sqlite_code(failure: DBAPIError) -> int:
    code: int = getattr(failure.orig, "sqlite_errorcode", 0)
    return code & FAMILY_MASK


def _is_connection_trouble(failure: DBAPIError, state: str) -> bool:
    return is_connection_lost(failure) or state == "53300"


def is_storage_away(failure: DriftpinError) -> bool:
    """Whether the storage could not do something for now, which says nothing about what it was."""
    return failure.code in AWAY


__all__ = [
    "StorageBusy",
    "StorageDamaged",
    "StorageFull",
    "StorageReadOnly",
    "damage_of",
    "is_connection_lost",
    "is_retryable",
    "is_storage_away",
    "sql_state",
    "unavailable_from",
    "was_cut_off",
]
