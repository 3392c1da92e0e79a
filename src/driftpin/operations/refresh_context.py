"""Refresh a chat: pin it to the head of its agent, because a person says so.

The move compares and sets: chat, pin and head are read in one statement, and the pin moves only if
it is still as it was read. A retry, and a race with a push or a rebind, look at everything again.
"""

from dataclasses import dataclass

from driftpin.errors import Conflict, HeadMoved, PreconditionFailed, Unavailable
from driftpin.failpoints import Failpoint
from driftpin.identity import Actor, ChatId, Digest
from driftpin.operations.derive_snapshot import derive_subset
from driftpin.operations.single_moves import (
    Intent,
    Moved,
    record_pinned,
    refuse_archived,
    refuse_sub_chat,
    try_move,
    unmoved,
)
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import PinMove, SnapshotRef
from driftpin.store.writing.heads import lock_workspace
from driftpin.store.writing.pins import LockedPin, Move, PinVerb, move_pins
from driftpin.store.writing.seen_pins import SeenPin, see_pin
from driftpin.store.writing.sub_chats import list_birth_sources, lock_sub_chats
from driftpin.store.writing.turns import hold_present_pin

# A pin that changes under every look is moved by others all the time; they have refreshed it.
LOOKS_MAX = 5


@dataclass(frozen=True, slots=True)
class Refresh:
    """What was asked for. `to` is the head whose drift was shown, None for whatever it is now.

    With `now` a turn that runs goes on with the new pin from its next request.
    """

    to: Digest | None = None
    if_match_revision: int | None = None
    cascade: bool = False
    dry_run: bool = False
    now: bool = False


async def refresh_context(
    store: Store,
    actor: Actor,
    chat_id: ChatId,
    *,
    to: Digest | None = None,
    if_match_revision: int | None = None,
    cascade: bool = False,
    dry_run: bool = False,
    now: bool = False,
) -> PinMove:
    """Pin the chat to its agent's head; `moved` is False if it was already.

    A turn that runs keeps the pin that it began with, unless `now` lets its next request have the
    new one. With `cascade` the chat's sub-chats follow, each with the part of the context it was
    born with.
    With `dry_run` nothing is written, and `moved` says whether something would have been. Raises
    PreconditionFailed with `revision`; HeadMoved with `shown` and `head`; Conflict (`no_snapshot`,
    `chat_archived`, `sub_chat`).
    """
    require_user(actor)
    asked = Refresh(to, if_match_revision, cascade, dry_run, now)

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
        head = _target(seen, asked)
        await transaction.reach(Failpoint.MOVE_READ_HEAD)
        if asked.dry_run:
            return _foreseen(seen, head)
        if asked.cascade:
            # Nothing else binds or makes chats here meanwhile, so no sub-chat is missed.
            await lock_workspace(transaction, seen.chat.workspace_id)
        moved = await _move(transaction, actor, seen, head, asked)
        if moved is not None:
            if asked.now:
                await hold_present_pin(transaction, chat_id)
            if asked.cascade:
                await _cascade(transaction, actor, seen, head, moved.event_id)
            return moved.move
    raise Unavailable("The pin is being moved by others; try again.", code="storage_busy")


async def _move(
    transaction: Transaction, actor: Actor, seen: SeenPin, head: SnapshotRef, asked: Refresh
) -> Moved | None:
    """Return where the pin stands, with its event if it moved; None if it changed meanwhile."""
    if seen.pin.snapshot_id == head.id:
        return Moved(unmoved(seen, PinVerb.REFRESH), None)
    inputs: dict[str, Digest | bool | None] = {"to": asked.to}
    if asked.now:
        inputs["now"] = True
    intent = Intent(actor, PinVerb.REFRESH, inputs, covers_others=asked.cascade)
    return await try_move(transaction, seen, head, intent)


def _target(seen: SeenPin, asked: Refresh) -> SnapshotRef:
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


def _foreseen(seen: SeenPin, head: SnapshotRef) -> PinMove:
    would_move = seen.pin.snapshot_id != head.id
    revision = seen.pin.revision + 1 if would_move else seen.pin.revision
    return PinMove(seen.chat.id, revision, head, moved=would_move, verb=PinVerb.REFRESH.value)


async def _cascade(
    transaction: Transaction,
    actor: Actor,
    seen: SeenPin,
    head: SnapshotRef,
    event_id: int | None,
) -> None:
    """Move every sub-chat below to the same head, or to its own part of it."""
    pins = await lock_sub_chats(transaction, actor, seen.chat.id)
    sources = await list_birth_sources(transaction, [pin.chat_id for pin in pins])
    groups: dict[tuple[str, ...] | None, list[LockedPin]] = {}
    for pin in pins:
        groups.setdefault(sources.get(pin.chat_id), []).append(pin)
    for part, members in groups.items():
        target = head
        if part is not None:
            target = await derive_subset(transaction, seen.chat.workspace_id, head.id, part)
        due = [pin.chat_id for pin in members if pin.snapshot_id != target.id]
        if due:
            if event_id is None:
                event_id = await record_pinned(
                    transaction, seen.chat, head, PinVerb.REFRESH, covers_others=True
                )
            move = Move(
                verb=PinVerb.REFRESH,
                actor=actor,
                agent_id=seen.pin.agent_id,
                event_id=event_id,
                inputs={"cascade": seen.chat.id, "sources": part},
            )
            await move_pins(transaction, due, target, move)


__all__ = ["Refresh", "refresh_context", "refresh_in"]
