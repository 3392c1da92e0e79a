"""Reviews, for those who may see their workspace."""

import json
from typing import Any

from sqlalchemy import Row, Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.errors import NotFound
from driftpin.identity import Actor, ReviewId, WorkspaceId
from driftpin.store.access import visible_workspaces
from driftpin.store.reading.accounts import get_workspace
from driftpin.store.reading.paging import page_of, read_cursor, write_cursor
from driftpin.store.review_values import ReviewRound, ReviewRow
from driftpin.store.tables import blobs, review_rounds, reviews, workspaces
from driftpin.store.values import Page


async def list_reviews(
    connection: AsyncConnection,
    actor: Actor,
    *,
    workspace_id: WorkspaceId | None,
    after: str | None,
    limit: int,
) -> Page[ReviewRow]:
    """Return the reviews of a workspace, or of all that the actor may see, the newest first."""
    statement = _seen_by(actor)
    if workspace_id is not None:
        await get_workspace(connection, actor, workspace_id)
        statement = statement.where(reviews.c.workspace_id == workspace_id)
    order = (reviews.c.updated_at, reviews.c.id)
    if after is not None:
        shown = tuple_(*read_cursor(after), types=[column.type for column in order])
        statement = statement.where(tuple_(*order) < shown)
    statement = statement.order_by(*(column.desc() for column in order)).limit(limit + 1)
    found = [review_from(row) for row in await connection.execute(statement)]
    return page_of(found, limit, lambda review: write_cursor(review.updated_at, review.id))


async def get_review(connection: AsyncConnection, actor: Actor, review_id: ReviewId) -> ReviewRow:
    """Return a review."""
    statement = _seen_by(actor).where(reviews.c.id == review_id)
    row = (await connection.execute(statement)).first()
    if row is None:
        raise NotFound
    return review_from(row)


async def list_review_rounds(
    connection: AsyncConnection,
    actor: Actor,
    review_id: ReviewId,
    *,
    number: int | None,
    limit: int,
) -> tuple[ReviewRound, ...]:
    """Return one round of a review, or its newest ones; NotFound if there is none."""
    await get_review(connection, actor, review_id)
    statement = (
        select(review_rounds, blobs.c.digest, blobs.c.content)
        .join(blobs, blobs.c.id == review_rounds.c.blob_id)
        .where(review_rounds.c.review_id == review_id)
        .order_by(review_rounds.c.number.desc())
        .limit(limit)
    )
    if number is not None:
        statement = statement.where(review_rounds.c.number == number)
    found = tuple(_round(row) for row in await connection.execute(statement))
    if not found:
        raise NotFound
    return found


def _seen_by(actor: Actor) -> Select[Any]:
    return (
        select(reviews)
        .join(workspaces, workspaces.c.id == reviews.c.workspace_id)
        .where(visible_workspaces(actor), workspaces.c.deleted_at.is_(None))
    )


def review_from(row: Row[Any]) -> ReviewRow:
    """Return a review out of its row."""
    return ReviewRow(
        id=row.id,
        workspace_id=row.workspace_id,
        target=row.target,
        round=row.round,
        verdict=row.verdict,
        open_count=row.open_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _round(row: Row[Any]) -> ReviewRound:
    return ReviewRound(row.number, row.digest, row.content, json.loads(row.chats), row.at)


__all__ = ["get_review", "list_review_rounds", "list_reviews", "review_from"]
