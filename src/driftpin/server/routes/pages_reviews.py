"""The pages of reviews: all of them, one of them by round, and one finding through the rounds."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from driftpin import limits, review_limits
from driftpin.server.access import CurrentUser
from driftpin.server.pages import page, shell_of
from driftpin.server.parameters import CursorQuery, ReviewIdPath, RoundQuery
from driftpin.server.review_view import review_line, show_finding, show_round
from driftpin.server.services import services_of
from driftpin.web.review_views import ReviewList

router = APIRouter(include_in_schema=False)


@router.get("/reviews")
async def show_reviews(
    actor: CurrentUser, request: Request, cursor: CursorQuery = None
) -> Response:
    """Show the reviews that the caller may read."""
    services, purpose = services_of(request), f"page of reviews {actor.name}"
    shell = await shell_of(services, actor, request, "Reviews")
    after = services.cursors.read_page(purpose, cursor)
    found = await services.store.list_reviews(
        actor, after=after, limit=limits.API_PAGE_ITEMS_DEFAULT
    )
    view = ReviewList(
        lines=tuple(review_line(row) for row in found.items),
        next=services.cursors.write_page(purpose, found.next),
    )
    return page(services, "reviews.html", shell, view)


@router.get("/reviews/{review_id}")
async def show_review(
    actor: CurrentUser, request: Request, review_id: ReviewIdPath, number: RoundQuery = None
) -> Response:
    """Show a review after one of its rounds; after the newest one if none is named."""
    services = services_of(request)
    shell = await shell_of(services, actor, request, "Review")
    row = await services.store.get_review(actor, review_id)
    (found,) = await services.store.list_review_rounds(actor, review_id, number=number, limit=1)
    return page(services, "review.html", shell, show_round(row, found))


@router.get("/reviews/{review_id}/findings/{finding}")
async def show_one_finding(
    actor: CurrentUser, request: Request, review_id: ReviewIdPath, finding: str
) -> Response:
    """Show a finding through the rounds, with what was merged with it."""
    services = services_of(request)
    shell = await shell_of(services, actor, request, "Finding")
    row = await services.store.get_review(actor, review_id)
    most = review_limits.REVIEW_SHOWN_ROUNDS_MAX
    rounds = await services.store.list_review_rounds(actor, review_id, limit=most)
    return page(services, "finding.html", shell, show_finding(row, rounds, finding))


__all__ = ["router"]
