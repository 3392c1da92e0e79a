"""The part of the store's reading door that is about reviews."""

from driftpin.identity import Actor, ReviewId, WorkspaceId
from driftpin.store.database import Database
from driftpin.store.reading import reviews
from driftpin.store.review_values import ReviewRound, ReviewRow
from driftpin.store.values import Page


class ReviewReads:
    """Reads of reviews; each call is one consistent look."""

    database: Database

    async def list_reviews(
        self,
        actor: Actor,
        *,
        workspace_id: WorkspaceId | None = None,
        after: str | None = None,
        limit: int,
    ) -> Page[ReviewRow]:
        """Return the reviews that the actor may see, the one changed last first."""
        async with self.database.read() as connection:
            return await reviews.list_reviews(
                connection, actor, workspace_id=workspace_id, after=after, limit=limit
            )

    async def get_review(self, actor: Actor, review_id: ReviewId) -> ReviewRow:
        """Return a review as it stands after its newest round."""
        async with self.database.read() as connection:
            return await reviews.get_review(connection, actor, review_id)

    async def list_review_rounds(
        self, actor: Actor, review_id: ReviewId, *, number: int | None = None, limit: int
    ) -> tuple[ReviewRound, ...]:
        """Return one round with its document, or the newest ones; NotFound if there is none."""
        async with self.database.read() as connection:
            return await reviews.list_review_rounds(
                connection, actor, review_id, number=number, limit=limit
            )


__all__ = ["ReviewReads"]
