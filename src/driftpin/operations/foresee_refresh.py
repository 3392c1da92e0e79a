"""Foresee a refresh: what it would pin, take, hold and leave; only drifts are kept for it."""

from dataclasses import dataclass, replace

from driftpin.context.drift import Drift, drift_of
from driftpin.context.holds import blended, held_part, less_holds
from driftpin.context.manifest import Snapshot
from driftpin.failpoints import Failpoint
from driftpin.identity import Actor, ChatId
from driftpin.operations.aims import Sight, choice_of, look_at_both
from driftpin.operations.dry_run import foresee
from driftpin.operations.refresh_context import Refresh, refresh_in, required_head
from driftpin.operations.stored_snapshots import check_new_snapshot, refusing_selection
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.reading.manifests import read_snapshots
from driftpin.store.store import Store
from driftpin.store.values import ChatRow, PinMove, SnapshotRef
from driftpin.store.writing.seen_pins import SeenPin, see_pin


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a refresh would do to a chat's pin, which stands at `revision` before it.

    `taken` would no longer be drift, `held` would be kept out, `left` would go on being drift.
    `below` are the sub-chats that would move with it.
    """

    chat: ChatRow
    revision: int
    head: SnapshotRef
    before: Snapshot | None
    after: Snapshot
    taken: Drift
    held: Drift
    left: Drift
    below: tuple[PinMove, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether the pin would move."""
        return self.before is None or self.before.digest != self.after.digest


async def foresee_refresh(store: Store, actor: Actor, chat_id: ChatId, asked: Refresh) -> Foreseen:
    """Return what the same refresh would do at this moment; it is refused for the same reasons."""
    require_user(actor)

    async def look(transaction: Transaction) -> Foreseen:
        foreseen = await _look(transaction, actor, chat_id, asked)
        if not asked.cascade:
            return foreseen
        move = await foresee(transaction, lambda inside: refresh_in(inside, actor, chat_id, asked))
        return replace(foreseen, below=move.below)

    return await store.database.write(look)


async def _look(
    transaction: Transaction, actor: Actor, chat_id: ChatId, asked: Refresh
) -> Foreseen:
    seen = await see_pin(transaction, actor, chat_id, action="pin.refresh")
    head = required_head(seen, asked)
    await transaction.reach(Failpoint.MOVE_READ_HEAD)
    if seen.snapshot is None and asked.selection is None:
        whole = (await read_snapshots(transaction.connection, {head.id}))[head.id]
        nothing = drift_of(())
        revision = seen.pin.revision
        return Foreseen(seen.chat, revision, head, None, whole, nothing, nothing, nothing)
    sight = await look_at_both(transaction, seen, head)
    return await _foreseen(transaction, seen, head, sight, asked)


async def _foreseen(
    transaction: Transaction, seen: SeenPin, head: SnapshotRef, sight: Sight, asked: Refresh
) -> Foreseen:
    choice, holds = choice_of(sight, seen.holds, asked.selection)
    after = blended(sight.pin, sight.head, choice.taken)
    if asked.selection is not None:
        with refusing_selection():
            await check_new_snapshot(transaction, seen.chat.workspace_id, after)
    rest = sight.drift.without(choice.taken)
    return Foreseen(
        chat=seen.chat,
        revision=seen.pin.revision,
        head=head,
        before=sight.pin,
        after=after,
        taken=drift_of(e for e in sight.drift.entries if e not in rest.entries),
        held=held_part(rest, holds),
        left=less_holds(rest, holds),
    )


__all__ = ["Foreseen", "foresee_refresh"]
