"""Check the store: whatever must hold of it is asked of its bytes and rows; nothing is changed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from driftpin.errors import Unavailable
from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.reading import integrity
from driftpin.store.store import Store


class Rule(StrEnum):
    """What a finding breaks; the names are stable."""

    BLOB_DIGEST = "blob_digest"
    SNAPSHOT_DIGEST = "snapshot_digest"
    PIN_EXPLAINED = "pin_explained"
    HISTORY_CHAIN = "history_chain"
    HISTORY_EVENT = "history_event"
    PIN_WORKSPACE = "pin_workspace"
    HEAD_RECORDED = "head_recorded"
    USAGE_COUNTED = "usage_counted"
    DATABASE_PAGE = "database_page"


@dataclass(frozen=True, slots=True)
class StoreFinding:
    """One thing in the store that breaks a rule; `subject` names it, and is stable too."""

    rule: Rule
    subject: str

    @property
    def id(self) -> str:
        """The name by which two runs can be compared."""
        return f"{self.rule}:{self.subject}"


QUERIES: Final = (
    (Rule.PIN_EXPLAINED, "chat", integrity.unexplained_pins),
    (Rule.HISTORY_CHAIN, "history", integrity.broken_chains),
    (Rule.HISTORY_EVENT, "history", integrity.history_without_event),
    (Rule.PIN_WORKSPACE, "chat", integrity.references_elsewhere),
    (Rule.HEAD_RECORDED, "agent", integrity.heads_without_record),
    (Rule.USAGE_COUNTED, "workspace", integrity.miscounted_usage),
)


async def check_store(store: Store, actor: Actor) -> tuple[StoreFinding, ...]:
    """Return every finding; empty for a sound store. For workers, on a store in use or a copy."""
    return tuple([finding async for finding in stream_findings(store, actor)])


async def check_rows(store: Store, actor: Actor) -> tuple[StoreFinding, ...]:
    """Return what is wrong with rows, without a look at any bytes; for workers."""
    require_worker(actor)
    return tuple([finding async for finding in _rows(store)])


async def stream_findings(store: Store, actor: Actor) -> AsyncIterator[StoreFinding]:
    """Give findings as they are made; bytes are read in pages, so memory stays small."""
    require_worker(actor)
    for check in (_pages, _rows, _blobs, _snapshots):
        try:
            async for finding in check(store):
                yield finding
        except Unavailable as failure:
            if failure.code != "storage_damaged":
                raise
            # The engine cannot even read it; the other checks go on.
            yield StoreFinding(Rule.DATABASE_PAGE, f"unreadable:{check.__name__.lstrip('_')}")


async def _pages(store: Store) -> AsyncIterator[StoreFinding]:
    for line in await integrity.find_damaged_pages(store.database):
        yield StoreFinding(Rule.DATABASE_PAGE, line)


async def _rows(store: Store) -> AsyncIterator[StoreFinding]:
    for rule, subject, query in QUERIES:
        for key in await integrity.find_rows(store.database, query()):
            yield StoreFinding(rule, f"{subject}:{key}")


async def _blobs(store: Store) -> AsyncIterator[StoreFinding]:
    async for _, digest in integrity.find_damaged_blobs(store.database):
        yield StoreFinding(Rule.BLOB_DIGEST, f"blob:{digest}")


async def _snapshots(store: Store) -> AsyncIterator[StoreFinding]:
    async for _, digest in integrity.find_damaged_snapshots(store.database):
        yield StoreFinding(Rule.SNAPSHOT_DIGEST, f"snapshot:{digest}")


__all__ = ["Rule", "StoreFinding", "check_rows", "check_store", "stream_findings"]
