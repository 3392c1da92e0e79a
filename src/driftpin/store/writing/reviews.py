"""Rows of reviews. The workspace must be locked."""

import json

from sqlalchemy import delete, insert, select, update

from driftpin.identity import Digest, ReviewId, WorkspaceId
from driftpin.store.database import Transaction
from driftpin.store.reading.reviews import review_from
from driftpin.store.review_values import ReviewRecord, ReviewRow
from driftpin.store.tables import blobs, review_rounds, reviews


async def find_review(
    transaction: Transaction, workspace_id: WorkspaceId, target: str
) -> ReviewRow | None:
    """Return the review of a target."""
    statement = select(reviews).where(
        reviews.c.workspace_id == workspace_id, reviews.c.target == target
    )
    row = (await transaction.connection.execute(statement)).first()
    return None if row is None else review_from(row)


async def find_round_digest(
    transaction: Transaction, review_id: ReviewId, number: int
) -> Digest | None:
    """Return the digest of a round's document."""
    statement = (
        select(blobs.c.digest)
        .join(review_rounds, review_rounds.c.blob_id == blobs.c.id)
        .where(review_rounds.c.review_id == review_id, review_rounds.c.number == number)
    )
    found: Digest | None = (await transaction.connection.execute(statement)).scalar_one_or_none()
    return found


async def put_review(
    transaction: Transaction,
    workspace_id: WorkspaceId,
    present: ReviewRow | None,
    record: ReviewRecord,
) -> ReviewRow:
    """Return the review, made or brought to a round that is its newest one."""
    if present is None:
        made = insert(reviews).values(
            id=transaction.ids.fresh(transaction.now),
            workspace_id=workspace_id,
            target=record.target,
            round=record.number,
            verdict=record.verdict,
            open_count=record.open_count,
            created_at=transaction.now,
            updated_at=transaction.now,
        )
        return review_from((await transaction.connection.execute(made.returning(reviews))).one())
    if record.number < present.round:
        return present
    brought = (
        update(reviews)
        .where(reviews.c.id == present.id)
        .values(
            round=record.number,
            verdict=record.verdict,
            open_count=record.open_count,
            updated_at=transaction.now,
        )
    )
    return review_from((await transaction.connection.execute(brought.returning(reviews))).one())


async def add_round(
    transaction: Transaction, review_id: ReviewId, blob_id: int, record: ReviewRecord
) -> None:
    """Keep the record of a round."""
    await transaction.connection.execute(
        insert(review_rounds).values(
            review_id=review_id,
            number=record.number,
            blob_id=blob_id,
            chats=json.dumps(dict(record.chats), sort_keys=True),
            at=transaction.now,
        )
    )


async def remove_review(transaction: Transaction, review_id: ReviewId) -> None:
    """Forget a review with its rounds; their documents go when their grace is over."""
    await transaction.connection.execute(
        delete(review_rounds).where(review_rounds.c.review_id == review_id)
    )
    await transaction.connection.execute(delete(reviews).where(reviews.c.id == review_id))


__all__ = ["add_round", "find_review", "find_round_digest", "put_review", "remove_review"]
