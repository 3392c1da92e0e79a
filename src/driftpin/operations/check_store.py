"""Check the store: whatever must hold of it is asked of its bytes and rows; nothing is changed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from driftpin.errors import Unavailable
from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.constraints import find_missing_constraints
from driftpin.store.reading import consistency, integrity, kept_drifts, replays
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
    HEAD_NUMBERS = "head_numbers"
    MOVE_INPUTS = "move_inputs"
    MOVE_TARGET = "move_target"
    CHAT_PIN = "chat_pin"
    REFERENCE_DIGEST = "reference_digest"
    REFERENCE_TARGET = "reference_target"
    RECEIPT_CHAIN = "receipt_chain"
    CONSTRAINT = "constraint"
    DRIFT_KEPT = "drift_kept"


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
    (Rule.HEAD_NUMBERS, "agent", consistency.numbers_behind),
    (Rule.MOVE_TARGET, "history", consistency.targets_from_nowhere),
    (Rule.CHAT_PIN, "chat", consistency.unpinned_rows),
    (Rule.REFERENCE_DIGEST, "row", consistency.other_references),
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
    bytes_of = (_blobs, _snapshots, _drifts)
    for check in (_pages, _constraints, _rows, _moves, _receipts, _references, *bytes_of):
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


async def _constraints(store: Store) -> AsyncIterator[StoreFinding]:
    for line in await find_missing_constraints(store.database):
        yield StoreFinding(Rule.CONSTRAINT, line)


async def _moves(store: Store) -> AsyncIterator[StoreFinding]:
    async for key in consistency.find_unexplained_moves(store.database):
        yield StoreFinding(Rule.MOVE_INPUTS, f"history:{key}")
    async for key in replays.find_wrong_parts(store.database):
        yield StoreFinding(Rule.MOVE_INPUTS, f"history:{key}")


async def _receipts(store: Store) -> AsyncIterator[StoreFinding]:
    async for key in consistency.find_broken_receipts(store.database):
        yield StoreFinding(Rule.RECEIPT_CHAIN, f"chat:{key}")


async def _references(store: Store) -> AsyncIterator[StoreFinding]:
    async for key in consistency.find_dangling_references(store.database):
        yield StoreFinding(Rule.REFERENCE_TARGET, key)


async def _blobs(store: Store) -> AsyncIterator[StoreFinding]:
    async for _, digest in integrity.find_damaged_blobs(store.database):
        yield StoreFinding(Rule.BLOB_DIGEST, f"blob:{digest}")


async def _drifts(store: Store) -> AsyncIterator[StoreFinding]:
    async for key in kept_drifts.find_wrong_drifts(store.database):
        yield StoreFinding(Rule.DRIFT_KEPT, f"drift:{key}")


async def _snapshots(store: Store) -> AsyncIterator[StoreFinding]:
    async for _, digest in integrity.find_damaged_snapshots(store.database):
        yield StoreFinding(Rule.SNAPSHOT_DIGEST, f"snapshot:{digest}")


__all__ = ["Rule", "StoreFinding", "check_rows", "check_store", "stream_findings"]
