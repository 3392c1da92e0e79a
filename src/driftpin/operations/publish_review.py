"""Keep the record of a round of a review, so that people can read it on the server."""

from driftpin.errors import Conflict
from driftpin.events.event import EventKind
from driftpin.identity import Actor, WorkspaceId
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.review_values import ReviewRecord, ReviewRow
from driftpin.store.store import Store
from driftpin.store.writing.blobs import add_blobs, find_blobs, require_room
from driftpin.store.writing.events import record_event
from driftpin.store.writing.heads import lock_workspace
from driftpin.store.writing.permits import permit_on_workspace
from driftpin.store.writing.reviews import add_round, find_review, find_round_digest, put_review


async def publish_review(
    store: Store, actor: Actor, workspace_id: WorkspaceId, record: ReviewRecord
) -> ReviewRow:
    """Return the review; publishing the same record again changes nothing.

    Raises Conflict (`round_differs`) where the round was published with another document, and
    TooLarge (`quota_exceeded`).
    """
    require_user(actor)

    async def publish(transaction: Transaction) -> ReviewRow:
        await permit_on_workspace(transaction, actor, workspace_id, action="review.publish")
        await lock_workspace(transaction, workspace_id)
        present = await find_review(transaction, workspace_id, record.target)
        if present is not None:
            known = await find_round_digest(transaction, present.id, record.number)
            if known == record.digest:
                return present
            if known is not None:
                raise Conflict("This round was published otherwise.", code="round_differs")
        review = await put_review(transaction, workspace_id, present, record)
        await add_round(
            transaction, review.id, await _keep(transaction, workspace_id, record), record
        )
        await record_event(
            transaction,
            EventKind.REVIEW_PUBLISHED,
            workspace_id=workspace_id,
            payload={"review_id": review.id, "round": record.number, "digest": record.digest},
        )
        return review

    return await store.database.write(publish)


async def _keep(transaction: Transaction, workspace_id: WorkspaceId, record: ReviewRecord) -> int:
    """Return where the document is kept; it is a blob of the workspace like any other."""
    present = await find_blobs(transaction, workspace_id, [record.digest])
    if record.digest not in present:
        new = {record.digest: record.document}
        present = await add_blobs(transaction, workspace_id, new)
        await require_room(transaction, workspace_id, new)
    return present[record.digest].id


__all__ = ["publish_review"]
