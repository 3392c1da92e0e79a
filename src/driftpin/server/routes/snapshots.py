"""Immutable things by their digest, through whatever the caller may read that names them."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from driftpin import limits
from driftpin.server.access import CurrentUser
from driftpin.server.drift_view import compare_snapshots
from driftpin.server.parameters import CursorQuery, DigestPath, LimitQuery
from driftpin.server.replies import JSON_MEDIA_TYPE, page_shape, reply, use_shape
from driftpin.server.services import services_of
from driftpin.wire.api import PageShape, UseShape
from driftpin.wire.drift import DriftShape

router = APIRouter(prefix="/api/v1", tags=["snapshots"])

Responses = dict[int | str, dict[str, Any]]
BLOB_HEADERS = {
    # Bytes of a workspace are never rendered by a browser that follows a link to them.
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "sandbox; default-src 'none'",
}
BLOB_RESPONSES: Responses = {
    200: {
        "description": "The exact bytes.",
        "content": {"application/octet-stream": {"schema": {"type": "string"}}},
    }
}
MANIFEST_RESPONSES: Responses = {
    200: {
        "description": "The manifest, byte for byte as it is hashed (RFC 8785).",
        "content": {JSON_MEDIA_TYPE: {"schema": {"type": "object"}}},
    }
}


@router.get("/snapshots/{digest}", response_class=Response, responses=MANIFEST_RESPONSES)
async def get_snapshot(actor: CurrentUser, request: Request, digest: DigestPath) -> Response:
    """Return the manifest of a snapshot; its SHA-256 is the digest."""
    manifest = await services_of(request).store.get_snapshot_manifest(actor, digest)
    return Response(manifest, media_type=JSON_MEDIA_TYPE, headers={"ETag": f'"{digest}"'})


@router.get("/snapshots/{before}/diff/{after}", response_model=DriftShape)
async def get_difference(
    actor: CurrentUser, request: Request, before: DigestPath, after: DigestPath
) -> Response:
    """Return what lies between two snapshots, with diffs."""
    found = await compare_snapshots(services_of(request).store, actor, before, after)
    return reply(found.shape())


@router.get("/blobs/{digest}", response_class=Response, responses=BLOB_RESPONSES)
async def get_blob(actor: CurrentUser, request: Request, digest: DigestPath) -> Response:
    """Return bytes by their digest."""
    content = await services_of(request).store.read_blob(actor, digest)
    return Response(
        content,
        media_type="application/octet-stream",
        headers={**BLOB_HEADERS, "ETag": f'"{digest}"'},
    )


@router.get("/blobs/{digest}/uses", response_model=PageShape[UseShape])
async def list_uses(
    actor: CurrentUser,
    request: Request,
    digest: DigestPath,
    cursor: CursorQuery = None,
    limit: LimitQuery = limits.API_PAGE_ITEMS_DEFAULT,
) -> Response:
    """Return the chats whose pins name these bytes, and where: a file, or a tool of a server."""
    services, purpose = services_of(request), f"uses {actor.name} {digest}"
    after = services.cursors.read_page(purpose, cursor)
    page = await services.store.list_uses(actor, digest, after, limit)
    return reply(page_shape(page, use_shape, services.cursors.write_page(purpose, page.next)))


__all__ = ["router"]
