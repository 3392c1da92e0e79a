"""What the verbs that move one chat's pin share: its event, and what is told to the caller."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from driftpin.errors import Conflict
from driftpin.events.event import HOLDS, EventKind
from driftpin.failpoints import Failpoint
from driftpin.identity import Actor
from driftpin.operations.pin_moves import Binding, EventSource, Settled
from driftpin.store.database import Transaction
from driftpin.store.values import ChatRow, PinMove, SnapshotRef
from driftpin.store.writing.compared_moves import ComparedMove, compare_and_move
from driftpin.store.writing.events import event_values, record_event
from driftpin.store.writing.pins import LockedPin, Move, PinVerb
from driftpin.store.writing.seen_pins import SeenPin
from driftpin.store.writing.snapshots import find_snapshot_by_id


@dataclass(frozen=True, slots=True)
class Intent:
    """Who moves a pin by which verb, and what history says of it.

    An event that covers other chats too names none: readers ask which of theirs it moved.
    """

    actor: Actor
    verb: PinVerb
    inputs: Mapping[str, Any]
    covers_others: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a pin stands after a verb, and the event that says so if it moved."""

    move: PinMove
    event_id: int | None


def event_for(transaction: Transaction, chat: ChatRow) -> EventSource:
    """Return what records the operation's `chat.pinned`; it is asked for once, when it moves."""

    async def record(verb: PinVerb, target: SnapshotRef | None) -> int:
        event_id = await record_pinned(transaction, chat, target, verb)
        await transaction.reach(Failpoint.MOVE_OUTBOX)
        return event_id

    return record


async def record_pinned(
    transaction: Transaction,
    chat: ChatRow,
    target: SnapshotRef | None,
    verb: PinVerb,
    *,
    covers_others: bool = False,
) -> int:
    """Record that the chat's pin moved; with others, without naming one."""
    return await record_event(
        transaction, EventKind.CHAT_PINNED, **_told(chat, target, verb, covers_others=covers_others)
    )


def _told(
    chat: ChatRow, target: SnapshotRef | None, verb: PinVerb, *, covers_others: bool
) -> dict[str, Any]:
    return {
        "workspace_id": chat.workspace_id,
        "chat_id": None if covers_others else chat.id,
        "payload": {"verb": verb.value, "digest": target.digest if target else None},
    }


async def record_changed(transaction: Transaction, chat: ChatRow, binding: Binding) -> int:
    """Record that the chat's binding or the error of its context changed, but not its pin."""
    return await record_event(
        transaction,
        EventKind.CHAT_CHANGED,
        workspace_id=chat.workspace_id,
        chat_id=chat.id,
        payload={"agent_id": binding.agent_id},
    )


async def record_held(transaction: Transaction, chat: ChatRow, count: int) -> int:
    """Record that the chat holds something else, as many sources as this, but kept its pin."""
    return await record_event(
        transaction,
        EventKind.CHAT_CHANGED,
        workspace_id=chat.workspace_id,
        chat_id=chat.id,
        payload={HOLDS: count},
    )


async def move_of(transaction: Transaction, pin: LockedPin, settled: Settled | None) -> PinMove:
    """Return where a pin stands that was locked, and settled if anything was due."""
    if settled is None or not settled.moved:
        snapshot = (
            None
            if pin.snapshot_id is None
            else await find_snapshot_by_id(transaction, pin.snapshot_id)
        )
        return PinMove(pin.chat_id, pin.revision, snapshot, moved=False, verb="")
    (course,) = settled.courses
    return PinMove(pin.chat_id, pin.revision + 1, course.target, moved=True, verb=course.verb.value)


def unmoved(seen: SeenPin, verb: PinVerb) -> PinMove:
    """Return that the target already was the pin: no revision, no row, no event."""
    return PinMove(seen.chat.id, seen.pin.revision, seen.snapshot, moved=False, verb=verb.value)


def refreshed(pin: LockedPin, target: SnapshotRef) -> PinMove:
    """Return that a pin of many was refreshed."""
    verb = PinVerb.REFRESH.value
    return PinMove(pin.chat_id, pin.revision + 1, target, moved=True, verb=verb)


async def try_move(
    transaction: Transaction, seen: SeenPin, target: SnapshotRef, intent: Intent
) -> Moved | None:
    """Move one pin with its event and its history row; None if it is no longer as it was seen."""
    told = _told(seen.chat, target, intent.verb, covers_others=intent.covers_others)
    event_id = await compare_and_move(
        transaction,
        ComparedMove(
            seen=seen.pin,
            before=seen.snapshot,
            target=target,
            move=Move(intent.verb, intent.actor, seen.pin.agent_id, intent.inputs),
            event=event_values(transaction, EventKind.CHAT_PINNED, **told),
        ),
    )
    if event_id is None:
        return None
    await transaction.reach(Failpoint.MOVE_OUTBOX)
    revision = seen.pin.revision + 1
    return Moved(
        PinMove(seen.chat.id, revision, target, moved=True, verb=intent.verb.value), event_id
    )


def refuse_archived(pin: LockedPin) -> None:
    """Refuse to move the pin of an archived chat."""
    if pin.is_archived:
        raise Conflict("An archived chat keeps its pin; unarchive it first.", code="chat_archived")


def refuse_sub_chat(pin: LockedPin | ChatRow) -> None:
    """Refuse to move a sub-chat apart from its parent."""
    if pin.parent_id is not None:
        raise Conflict(
            "A sub-chat has its parent's context; refresh the parent with cascade.",
            code="sub_chat",
            parent_id=pin.parent_id,
        )


__all__ = [
    "Intent",
    "Moved",
    "event_for",
    "move_of",
    "record_changed",
    "record_held",
    "record_pinned",
    "refreshed",
    "refuse_archived",
    "refuse_sub_chat",
    "try_move",
    "unmoved",
]
