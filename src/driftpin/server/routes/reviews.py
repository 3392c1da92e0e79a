"""Reviews of changes, as whoever ran them publishes them round by round."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from driftpin import limits, review_limits
from driftpin.errors import Rejected
from driftpin.identity import digest_of
from driftpin.operations.delete_review import delete_review
from driftpin.operations.publish_review import publish_review
from driftpin.server.access import CurrentUser
from driftpin.server.body import JsonBody
from driftpin.server.parameters import (
    CursorQuery,
    LimitQuery,
    ReviewIdPath,
    RoundPath,
    WorkspaceIdPath,
)
from driftpin.server.replies import JSON_MEDIA_TYPE, page_shape, reply
from driftpin.server.services import services_of
from driftpin.store.review_values import ReviewRecord, ReviewRow
from driftpin.wire.api import PageShape
from driftpin.wire.reviews import PublishReviewRequest, ReviewShape, read_review

router = APIRouter(prefix="/api/v1", tags=["reviews"])

Published = Annotated[
    PublishReviewRequest,
    Depends(JsonBody(PublishReviewRequest, bytes_max=review_limits.REVIEW_BODY_BYTES_MAX)),
]
DOCUMENT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The document, byte for byte as it was published.",
        "content": {JSON_MEDIA_TYPE: {"schema": {"type": "object"}}},
    }
}


@router.post("/workspaces/{workspace_id}/reviews", response_model=ReviewShape, status_code=201)
async def publish(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath, published: Published
) -> Response:
    """Keep the record of a round; publishing it again changes nothing."""
    store = services_of(request).store
    row = await publish_review(store, actor, workspace_id, _record(published))
    return reply(_shape(row), status=201)


def _record(published: PublishReviewRequest) -> ReviewRecord:
    content = published.document.encode()
    digest = digest_of(content)
    if published.digest is not None and published.digest != digest:
        raise Rejected("The document does not have this digest.", code="hash_mismatch")
    document = read_review(content)
    return ReviewRecord(
        target=document.target,
        number=document.round,
        verdict=document.verdict,
        open_count=len(document.live),
        digest=digest,
        document=content,
        chats=published.chats,
    )


@router.get("/workspaces/{workspace_id}/reviews", response_model=PageShape[ReviewShape])
async def list_reviews(
    actor: CurrentUser,
    request: Request,
    workspace_id: WorkspaceIdPath,
    cursor: CursorQuery = None,
    limit: LimitQuery = limits.API_PAGE_ITEMS_DEFAULT,
) -> Response:
    """Return the reviews of a workspace, the one changed last first."""
    services, purpose = services_of(request), f"reviews {workspace_id} {actor.name}"
    after = services.cursors.read_page(purpose, cursor)
    page = await services.store.list_reviews(
        actor, workspace_id=workspace_id, after=after, limit=limit
    )
    return reply(page_shape(page, _shape, services.cursors.write_page(purpose, page.next)))


@router.get("/reviews/{review_id}", response_model=ReviewShape)
async def get_review(actor: CurrentUser, request: Request, review_id: ReviewIdPath) -> Response:
    """Return a review as it stands after its newest round."""
    return reply(_shape(await services_of(request).store.get_review(actor, review_id)))


@router.delete("/reviews/{review_id}", status_code=204)
async def remove_review(actor: CurrentUser, request: Request, review_id: ReviewIdPath) -> Response:
    """Delete a review with its rounds."""
    await delete_review(services_of(request).store, actor, review_id)
    return Response(status_code=204)


@router.get(
    "/reviews/{review_id}/rounds/{number}", response_class=Response, responses=DOCUMENT_RESPONSES
)
async def get_round(
    actor: CurrentUser, request: Request, review_id: ReviewIdPath, number: RoundPath
) -> Response:
    """Return the record of a round, `review.json`."""
    store = services_of(request).store
    (found,) = await store.list_review_rounds(actor, review_id, number=number, limit=1)
    headers = {"ETag": f'"{found.digest}"'}
    return Response(found.document, media_type=JSON_MEDIA_TYPE, headers=headers)


def _shape(row: ReviewRow) -> ReviewShape:
    return ReviewShape(
        id=row.id,
        workspace_id=row.workspace_id,
        target=row.target,
        round=row.round,
        verdict=row.verdict,
        open=row.open_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


__all__ = ["router"]
