"""What a process counts, for Prometheus."""

from typing import Any, Final

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from driftpin.errors import Forbidden
from driftpin.server.access import CurrentUser
from driftpin.server.services import services_of

router = APIRouter(tags=["server"])

FIGURES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Figures in Prometheus' text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


@router.get("/metrics", response_class=Response, responses=FIGURES)
async def get_metrics(actor: CurrentUser, request: Request) -> Response:
    """Return the figures of this process in Prometheus' text format; administrators only."""
    if not actor.is_administrator:
        raise Forbidden("Metrics are for administrators; ask one.")
    services = services_of(request)
    stock = await services.stock_counter.count()
    return Response(services.metrics.as_text(stock), media_type=CONTENT_TYPE_LATEST)


__all__ = ["router"]
