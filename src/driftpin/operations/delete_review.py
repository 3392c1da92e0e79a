"""Forget a review with all of its rounds."""

from driftpin.events.event import EventKind
from driftpin.identity import Actor, ReviewId
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.reading.reviews import get_review
from driftpin.store.store import Store
from driftpin.store.writing.events import record_event
from driftpin.store.writing.heads import lock_workspace
from driftpin.store.writing.permits import permit_on_workspace
from driftpin.store.writing.reviews import remove_review


async def delete_review(store: Store, actor: Actor, review_id: ReviewId) -> None:
    """Delete it; the bytes of its documents go when their grace is over."""
    require_user(actor)

    async def remove(transaction: Transaction) -> None:
        review = await get_review(transaction.connection, actor, review_id)
        await permit_on_workspace(transaction, actor, review.workspace_id, action="review.delete")
        await lock_workspace(transaction, review.workspace_id)
        await remove_review(transaction, review_id)
        await record_event(
            transaction,
            EventKind.REVIEW_DELETED,
            workspace_id=review.workspace_id,
            payload={"review_id": review_id},
        )

    await store.database.write(remove)


__all__ = ["delete_review"]
