"""What became of many chats that were refreshed at once, as one reply."""

from collections.abc import Iterable

from driftpin.errors import NotFound
from driftpin.identity import Actor
from driftpin.server.replies import context_shape, digest_in
from driftpin.store.store import Store
from driftpin.store.values import PinMove
from driftpin.wire.api import PageShape
from driftpin.wire.moves import RefreshOutcomeShape


async def outcomes_shape(
    store: Store, actor: Actor, moves: Iterable[PinMove]
) -> PageShape[RefreshOutcomeShape]:
    """Return one outcome per chat, with the context that it has now if the actor may read it."""
    items = tuple([await _outcome(store, actor, move) for move in moves])
    return PageShape[RefreshOutcomeShape](items=items, next=None)


async def _outcome(store: Store, actor: Actor, move: PinMove) -> RefreshOutcomeShape:
    try:
        context = context_shape((await store.get_chat(actor, move.chat_id)).context)
    except NotFound:
        context = None
    return RefreshOutcomeShape(
        chat_id=move.chat_id,
        result="refreshed" if move.moved else "skipped",
        code=move.reason or None,
        context=context,
        to=digest_in(move.snapshot) if move.moved else None,
    )


__all__ = ["outcomes_shape"]
