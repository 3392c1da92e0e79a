"""The files that pages load."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from driftpin.errors import NotFound
from driftpin.server.services import services_of

router = APIRouter(include_in_schema=False)

# The address has the digest of the contents in it.
KEPT_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}


@router.get("/assets/{version}/{name}")
async def get_asset(request: Request, version: str, name: str) -> Response:
    """Return a file of the version that is served; nothing in it is secret."""
    assets = services_of(request).site.assets
    asset = assets.by_name.get(name) if version == assets.version else None
    if asset is None:
        raise NotFound("There is no such route.")
    return Response(asset.content, media_type=asset.media_type, headers=KEPT_FOR_GOOD)


__all__ = ["router"]
