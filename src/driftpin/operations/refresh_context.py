"""Refresh a chat: pin it to the head of its agent, or to a part of it, because a person says so.

The move compares and sets: chat, pin and head are read in one statement, and the pin moves only if
it is still as it was read. A retry, and a race with a push or a rebind, look at everything again.
"""

from dataclasses import dataclass, replace

from driftpin.context.holds import NO_HOLDS, Selection
from driftpin.errors import Conflict, HeadMoved, PreconditionFailed, Unavailable
from driftpin.failpoints import Failpoint
from driftpin.identity import Actor, ChatId, Digest
from driftpin.operations.aims import Aim, aim_at_part
from driftpin.operations.derive_snapshot import derive_subset
from driftpin.operations.single_moves import (
    Intent,
    Moved,
    record_held,
    record_pinned,
    refreshed,
    refuse_archived,
    refuse_sub_chat,
    try_move,
    unmoved,
)
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.reading.holds import read_holds
from driftpin.store.store import Store
from driftpin.store.values import PinMove, SnapshotRef
from driftpin.store.writing.heads import lock_workspace
from driftpin.store.writing.holds import replace_holds
from driftpin.store.writing.pins import LockedPin, Move, PinVerb, lock_pin, move_pins
from driftpin.store.writing.seen_pins import SeenPin, see_pin
from driftpin.store.writing.sub_chats import list_birth_sources, lock_sub_chats
from driftpin.store.writing.turns import hold_present_pin

# A pin that changes under every look is moved by others all the time; they have refreshed it.
LOOKS_MAX = 5


@dataclass(frozen=True, slots=True)
class Refresh:
    """What was asked for. `to` is the head whose drift was shown, None for whatever it is now.

    Without a `selection` the whole head is taken, and what was held is held no longer. With `now` a
    turn that runs goes on with the new pin from its next request.
    """

    to: Digest | None = None
    if_match_revision: int | None = None
    selection: Selection | None = None
    cascade: bool = False
    now: bool = False


async def refresh_context(
    store: Store,
    actor: Actor,
    chat_id: ChatId,
    *,
    to: Digest | None = None,
    if_match_revision: int | None = None,
    selection: Selection | None = None,
    cascade: bool = False,
    now: bool = False,
) -> PinMove:
    """Pin the chat to its agent's head, or to the part of it that is selected.

    `moved` is False if that is what the chat was pinned to already. A turn that runs keeps the pin
    that it began with, unless `now` lets its next request have the new one. With `cascade` the
    chat's sub-chats follow, each with the part of the context it was born with.
    Raises PreconditionFailed with `revision`; HeadMoved with `shown` and `head`; Conflict
    (`no_snapshot`, `chat_archived`, `sub_chat`, `selection_conflict`); Rejected (`unknown_source`,
    `too_large`).
    """
    require_user(actor)
    asked = Refresh(to, if_match_revision, selection, cascade, now)

    async def refresh(transaction: Transaction) -> PinMove:
        return await refresh_in(transaction, actor, chat_id, asked)

    move = await store.database.write(refresh)
    await store.database.reach(Failpoint.MOVE_POST_COMMIT)
    return move


async def refresh_in(
    transaction: Transaction, actor: Actor, chat_id: ChatId, asked: Refresh
) -> PinMove:
    """Do the same inside a transaction of the caller's."""
    for _ in range(LOOKS_MAX):
        seen = await see_pin(transaction, actor, chat_id, action="pin.refresh")
        head = required_head(seen, asked)
        await transaction.reach(Failpoint.MOVE_READ_HEAD)
        if asked.cascade or asked.selection is not None:
            # Nothing else binds or makes chats here meanwhile, so no sub-chat is missed, and what
            # is derived is stored before any pin is locked.
            await lock_workspace(transaction, seen.chat.workspace_id)
        aim = await _aim(transaction, seen, head, asked)
        moved = await _move(transaction, actor, seen, aim, asked)
        if moved is not None:
            if asked.now:
                await hold_present_pin(transaction, chat_id)
            below: tuple[PinMove, ...] = ()
            if asked.cascade:
                below = await _cascade(transaction, actor, seen, aim.target, moved.event_id)
            return replace(moved.move, below=below)
    raise Unavailable("The pin is being moved by others; try again.", code="storage_busy")


async def _aim(transaction: Transaction, seen: SeenPin, head: SnapshotRef, asked: Refresh) -> Aim:
    if asked.selection is None:
        return Aim(head, {"to": asked.to}, NO_HOLDS)
    return await aim_at_part(transaction, seen, head, asked.selection)


async def _move(
    transaction: Transaction, actor: Actor, seen: SeenPin, aim: Aim, asked: Refresh
) -> Moved | None:
    """Return where the pin stands, with its event if it moved; None if it changed meanwhile."""
    is_part = asked.selection is not None
    if is_part and not await _is_unchanged(transaction, seen):
        return None
    if seen.pin.snapshot_id == aim.target.id:
        if is_part and aim.holds != seen.holds:
            await record_held(transaction, seen.chat, len(aim.holds))
            await replace_holds(transaction, actor, seen.chat.id, seen.holds, aim.holds)
        return Moved(unmoved(seen, PinVerb.REFRESH), None)
    inputs = {**aim.inputs, "now": True} if asked.now else aim.inputs
    intent = Intent(actor, PinVerb.REFRESH, inputs, covers_others=asked.cascade)
    moved = await try_move(transaction, seen, aim.target, intent)
    if moved is not None:
        await replace_holds(transaction, actor, seen.chat.id, seen.holds, aim.holds)
    return moved


async def _is_unchanged(transaction: Transaction, seen: SeenPin) -> bool:
    """Take the pin for this transaction alone; whether it and its holds are what was seen."""
    pin = await lock_pin(transaction, seen.chat.id)
    held = await read_holds(transaction.connection, [seen.chat.id])
    return pin == seen.pin and held.get(seen.chat.id, NO_HOLDS) == seen.holds


def required_head(seen: SeenPin, asked: Refresh) -> SnapshotRef:
    """Return the head that the refresh is about, or refuse it as the pin stands."""
    refuse_archived(seen.pin)
    refuse_sub_chat(seen.pin)
    if asked.if_match_revision not in (None, seen.pin.revision):
        raise PreconditionFailed(
            revision=seen.pin.revision, digest=seen.snapshot.digest if seen.snapshot else None
        )
    if seen.head is None:
        raise Conflict("No snapshot has been published yet.", code="no_snapshot")
    if asked.to not in (None, seen.head.digest):
        raise HeadMoved(shown=asked.to, head=seen.head.digest)
    return seen.head


async def _cascade(
    transaction: Transaction,
    actor: Actor,
    seen: SeenPin,
    whole: SnapshotRef,
    event_id: int | None,
) -> tuple[PinMove, ...]:
    """Move every sub-chat below to the same snapshot, or to its own part; return those moves."""
    pins = await lock_sub_chats(transaction, actor, seen.chat.id)
    sources = await list_birth_sources(transaction, [pin.chat_id for pin in pins])
    groups: dict[tuple[str, ...] | None, list[LockedPin]] = {}
    for pin in pins:
        groups.setdefault(sources.get(pin.chat_id), []).append(pin)
    moves: list[PinMove] = []
    for part, members in groups.items():
        target = whole
        if part is not None:
            target = await derive_subset(transaction, seen.chat.workspace_id, whole.id, part)
        due = [pin for pin in members if pin.snapshot_id != target.id]
        if due:
            if event_id is None:
                event_id = await record_pinned(
                    transaction, seen.chat, whole, PinVerb.REFRESH, covers_others=True
                )
            move = Move(
                verb=PinVerb.REFRESH,
                actor=actor,
                agent_id=seen.pin.agent_id,
                event_id=event_id,
                inputs={"cascade": seen.chat.id, "sources": part},
            )
            await move_pins(transaction, [pin.chat_id for pin in due], target, move)
            moves += [refreshed(pin, target) for pin in due]
    return tuple(moves)


__all__ = ["Refresh", "refresh_context", "refresh_in", "required_head"]
