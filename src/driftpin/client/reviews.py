"""Calls about reviews of changes."""

from driftpin.client.calls import Calls
from driftpin.client.workspaces import V1
from driftpin.wire.reviews import PublishReviewRequest, ReviewShape


class ReviewCalls(Calls):
    """The part of the client for reviews."""

    async def publish_review(self, workspace_id: str, request: PublishReviewRequest) -> ReviewShape:
        """Keep the record of a round; publishing it again changes nothing."""
        path = f"{V1}/workspaces/{workspace_id}/reviews"
        return await self._transport.call("POST", path, ReviewShape, body=request)

    async def list_reviews(self, workspace_id: str) -> tuple[ReviewShape, ...]:
        """Return the reviews of a workspace, the one changed last first."""
        return await self._all(f"{V1}/workspaces/{workspace_id}/reviews", ReviewShape)

    async def get_review(self, review_id: str) -> ReviewShape:
        """Return a review as it stands after its newest round."""
        return await self._transport.call("GET", f"{V1}/reviews/{review_id}", ReviewShape)

    async def get_review_round(self, review_id: str, number: int) -> bytes:
        """Return the record of a round to the byte."""
        return await self._transport.send("GET", f"{V1}/reviews/{review_id}/rounds/{number}")

    async def delete_review(self, review_id: str) -> None:
        """Delete a review with its rounds."""
        await self._transport.send("DELETE", f"{V1}/reviews/{review_id}")


__all__ = ["ReviewCalls"]
