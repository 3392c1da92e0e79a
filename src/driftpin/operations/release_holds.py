"""Release holds of a chat: what they kept out is drift again. The pin stays where it is."""

from collections.abc import Collection

from driftpin.context.holds import Holds
from driftpin.identity import Actor, ChatId
from driftpin.operations.aims import look_at_both
from driftpin.operations.single_moves import record_held, refuse_archived
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.reading.holds import read_holds
from driftpin.store.store import Store
from driftpin.store.writing.holds import replace_holds
from driftpin.store.writing.pins import lock_pin
from driftpin.store.writing.seen_pins import SeenPin, see_pin


async def release_holds(
    store: Store, actor: Actor, chat_id: ChatId, sources: Collection[str] | None
) -> int:
    """Let go of the holds of these sources, or with None of all, and return how many went.

    The two sources of a rename go together. What is not held is passed over. Raises Conflict
    (`chat_archived`).
    """
    require_user(actor)

    async def release(transaction: Transaction) -> int:
        seen = await see_pin(transaction, actor, chat_id, action="pin.release")
        refuse_archived(seen.pin)
        asked = None if sources is None else await _with_partners(transaction, seen, sources)
        await lock_pin(transaction, chat_id)
        before = (await read_holds(transaction.connection, [chat_id])).get(chat_id, {})
        after = _less(before, asked)
        if len(after) < len(before):
            await record_held(transaction, seen.chat, len(after))
            await replace_holds(transaction, actor, chat_id, before, after)
        return len(before) - len(after)

    return await store.database.write(release)


async def _with_partners(
    transaction: Transaction, seen: SeenPin, sources: Collection[str]
) -> set[str]:
    """Return the sources with what each was renamed from or to."""
    asked = set(sources)
    if seen.snapshot is not None and seen.head is not None:
        sight = await look_at_both(transaction, seen, seen.head)
        renamed = (entry.sources for entry in sight.drift.entries)
        asked.update(*(pair for pair in renamed if not pair.isdisjoint(asked)))
    return asked


def _less(holds: Holds, sources: Collection[str] | None) -> Holds:
    if sources is None:
        return {}
    return {source: digest for source, digest in holds.items() if source not in sources}


__all__ = ["release_holds"]
