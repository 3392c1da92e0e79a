"""What `driftpin doctor` may find: each kind with its code, how bad it is, and what to do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How bad it is. `info` is worth knowing and ends with exit code 0."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Code(StrEnum):
    """Every kind of finding; the names are stable."""

    DATABASE_MISSING = "database_missing"
    DATABASE_UNREACHABLE = "database_unreachable"
    DATABASE_ON_NETWORK = "database_on_network"
    SCHEMA_OLDER = "schema_older"
    SCHEMA_NEWER = "schema_newer"
    STORE_DAMAGED = "store_damaged"
    DISK_LOW = "disk_low"
    WAL_LONG = "wal_long"
    SQLITE_VERSION = "sqlite_version"
    POSTGRES_VERSION = "postgres_version"
    POSTGRES_NOT_DURABLE = "postgres_not_durable"
    CLOCK_SKEW = "clock_skew"
    GARBAGE_OVERDUE = "garbage_overdue"
    QUOTA_NEAR = "quota_near"
    RESTORED = "restored"
    RECEIPT_KEY = "receipt_key"
    MODE_OPEN = "mode_open"
    LEFTOVER_FILE = "leftover_file"
    PORT_IN_USE = "port_in_use"
    SERVER_SILENT = "server_silent"
    SERVER_VERSION = "server_version"
    AGENT_SILENT = "agent_silent"
    WATCH_LIMIT = "watch_limit"


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
KINDS: Final[dict[Code, tuple[Severity, str]]] = {
    Code.DATABASE_MISSING: (_I, "Nothing to do: the first `driftpin up` or `serve` makes it."),
    Code.DATABASE_UNREACHABLE: (_E, "Start the database, or correct `database_url`."),
    Code.DATABASE_ON_NETWORK: (_E, "Move it to a local disk, or use PostgreSQL."),
    Code.SCHEMA_OLDER: (_W, "Start the server once: it brings the database up to date."),
    Code.SCHEMA_NEWER: (_E, "Install the newer release again, or restore a backup."),
    Code.STORE_DAMAGED: (_E, "Stop the server and restore a backup; keep the damaged database."),
    Code.DISK_LOW: (_W, "Free some space: a full disk refuses every write."),
    Code.WAL_LONG: (_W, "End whatever process reads the database for long."),
    Code.SQLITE_VERSION: (_W, "Use a Python with SQLite 3.51.3 or later, or PostgreSQL."),
    Code.POSTGRES_VERSION: (_E, "Use PostgreSQL 14 or later."),
    Code.POSTGRES_NOT_DURABLE: (_E, "Set it to `on`: what was acknowledged can be lost."),
    Code.CLOCK_SKEW: (_W, "Synchronise both clocks: expiry and shown times go by them."),
    Code.GARBAGE_OVERDUE: (_W, "See that a server runs: it collects by itself."),
    Code.QUOTA_NEAR: (_W, "Make room, or raise the setting before pushes are refused."),
    Code.RESTORED: (_I, "Nothing to do: a backup was restored, and clients have begun anew."),
    Code.RECEIPT_KEY: (_I, "Hand it to whoever verifies exports; `driftpin receipts key` agrees."),
    Code.MODE_OPEN: (_W, "Run `driftpin doctor --fix`, or take the access of others away."),
    Code.LEFTOVER_FILE: (_I, "Run `driftpin doctor --fix`, or delete it."),
    Code.PORT_IN_USE: (_E, "End the other program, or choose another `port`."),
    Code.SERVER_SILENT: (_I, "Start it with `driftpin up` or `driftpin serve` if it is to run."),
    Code.SERVER_VERSION: (_W, "Restart the server with this release, or install its release."),
    Code.AGENT_SILENT: (_W, "Start it with `driftpin up` in this directory."),
    Code.WATCH_LIMIT: (_W, "Raise it with sysctl; until then changes are found by rescans."),
}
FIXABLE: Final = frozenset({Code.MODE_OPEN, Code.LEFTOVER_FILE})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is worth knowing about this installation; `subject` is what it is about."""

    code: Code
    subject: str
    message: str
    is_fixed: bool = False

    @property
    def severity(self) -> Severity:
        """How bad this kind is."""
        return KINDS[self.code][0]

    @property
    def advice(self) -> str:
        """What to do about this kind."""
        return KINDS[self.code][1]


__all__ = ["FIXABLE", "KINDS", "Code", "Finding", "Severity"]
