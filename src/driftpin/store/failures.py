"""What a database failure means to a caller: try it again, or say that it cannot be had."""

from typing import Final

from sqlalchemy.exc import DBAPIError

from driftpin.errors import DriftpinError, Unavailable

# PostgreSQL: serialization failure, deadlock detected.
RETRYABLE_STATES: Final = frozenset({"40001", "40P01"})
# PostgreSQL: disk full, out of memory; lock not available and query cancelled by a timeout.
FULL_STATES: Final = frozenset({"53100"})
BUSY_STATES: Final = frozenset({"55P03", "57014"})


def sql_state(failure: DBAPIError) -> str:
    """Return PostgreSQL's five-character code, or an empty text where there is none."""
    original = failure.orig
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    return str(state or "")


def is_retryable(failure: DBAPIError) -> bool:
    """Whether the same operation, run again from its start, may succeed at once."""
    return sql_state(failure) in RETRYABLE_STATES


def unavailable_from(failure: Exception) -> DriftpinError:
    """Return what a caller is told; broken constraints and statements pass through as they are."""
    if isinstance(failure, DBAPIError):
        text = str(failure.orig).lower()
        state = sql_state(failure)
        if state in FULL_STATES or "is full" in text:
            return Unavailable("The storage is full; free some space.", code="storage_full")
        if state in BUSY_STATES or "is locked" in text or is_retryable(failure):
            return Unavailable("The storage is busy; try again.", code="storage_busy")
        if not _is_connection_trouble(failure, state, text):
            raise failure
    return Unavailable("The storage cannot be reached; try again.", code="storage_unavailable")


def _is_connection_trouble(failure: DBAPIError, state: str, text: str) -> bool:
    is_down = state[:2] in {"08", "57"} or state == "53300"
    return failure.connection_invalidated or is_down or "unable to open" in text or "i/o" in text


__all__ = ["is_retryable", "sql_state", "unavailable_from"]
