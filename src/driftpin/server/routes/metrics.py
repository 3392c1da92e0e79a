"""What a process counts, for Prometheus."""

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from driftpin.errors import Forbidden
from driftpin.server.access import CurrentUser
from driftpin.server.services import services_of

router = APIRouter(tags=["server"])


@router.get("/metrics", response_class=Response)
async def get_metrics(actor: CurrentUser, request: Request) -> Response:
    """Return the figures of this process in Prometheus' text format; administrators only."""
    if not actor.is_administrator:
        raise Forbidden("Metrics are for administrators; ask one.")
    services = services_of(request)
    stock = await services.stock_counter.count()
    return Response(services.metrics.as_text(stock), media_type=CONTENT_TYPE_LATEST)


__all__ = ["router"]
