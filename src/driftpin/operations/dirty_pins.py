"""Which of many chats a refresh of all of them moves: those that are dirty, and not frozen."""

from collections.abc import Mapping
from dataclasses import dataclass

from driftpin.context.drift import Drift
from driftpin.context.holds import NO_HOLDS, less_holds
from driftpin.context.policies import Policy, is_shown
from driftpin.identity import ChatId
from driftpin.store.database import Transaction
from driftpin.store.reading.drift_summaries import find_drifts
from driftpin.store.reading.holds import read_holds
from driftpin.store.reading.policies import list_policies
from driftpin.store.values import PinMove, SnapshotRef
from driftpin.store.writing.drift_summaries import keep_drifts
from driftpin.store.writing.pins import LockedPin, PinVerb

FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class DirtyPins:
    """Pins that are to move, with their heads, and dirty ones that are left since they are frozen.

    A chat that holds everything that differs is clean, and in neither.
    """

    due: Mapping[LockedPin, SnapshotRef]
    frozen: tuple[LockedPin, ...]

    @property
    def left(self) -> tuple[PinMove, ...]:
        """The outcomes of the chats that are left."""
        verb = PinVerb.REFRESH.value
        return tuple(
            PinMove(pin.chat_id, pin.revision, None, moved=False, verb=verb, reason=FROZEN)
            for pin in self.frozen
        )


async def sort_dirty(transaction: Transaction, heads: Mapping[LockedPin, SnapshotRef]) -> DirtyPins:
    """Sort pins that differ from these heads.

    Only the drifts of chats that hold or freeze something are looked at, once per distinct pair.
    """
    chat_ids = [pin.chat_id for pin in heads]
    policies = await list_policies(transaction.connection, chat_ids)
    drifts = await _drifts_of_holders(
        transaction, heads, {c for c in chat_ids if policies[c].has(Policy.FREEZE)}
    )
    frozen = [
        pin
        for pin in heads
        if pin.chat_id in drifts
        and not drifts[pin.chat_id].is_empty
        and not is_shown(drifts[pin.chat_id], policies[pin.chat_id])
    ]
    clean = {chat_id for chat_id, drift in drifts.items() if drift.is_empty}
    left = clean | {pin.chat_id for pin in frozen}
    due = {pin: head for pin, head in heads.items() if pin.chat_id not in left}
    return DirtyPins(due, tuple(frozen))


async def _drifts_of_holders(
    transaction: Transaction, heads: Mapping[LockedPin, SnapshotRef], others: set[ChatId]
) -> dict[ChatId, Drift]:
    """Return the drifts, less what is held, of the chats that hold something and of the others."""
    held = await read_holds(transaction.connection, [pin.chat_id for pin in heads])
    pairs = {
        pin.chat_id: (pin.snapshot_id, head.id)
        for pin, head in heads.items()
        if pin.snapshot_id is not None and (pin.chat_id in held or pin.chat_id in others)
    }
    found = await find_drifts(transaction.connection, set(pairs.values()))
    await keep_drifts(transaction, found)
    return {
        chat_id: less_holds(found[pair].drift, held.get(chat_id, NO_HOLDS))
        for chat_id, pair in pairs.items()
    }


__all__ = ["DirtyPins", "sort_dirty"]
