"""Whether the server lives and is ready, and what it is; open to everybody."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from driftpin import __version__
from driftpin.server.replies import reply
from driftpin.server.services import services_of
from driftpin.wire.agent import PROTOCOL_VERSIONS
from driftpin.wire.api import ServerShape
from driftpin.wire.transfer import HealthShape

router = APIRouter(tags=["server"])


@router.get("/healthz", response_model=HealthShape)
async def get_health() -> Response:
    """Say that the process answers; no storage is asked."""
    return reply(HealthShape(status="ok"))


@router.get("/readyz", response_model=HealthShape)
async def get_readiness(request: Request) -> Response:
    """Say that requests may be sent here; 503 with the reason when they had better go elsewhere."""
    await services_of(request).pulse.check()
    return reply(HealthShape(status="ok"))


@router.get("/api/v1", response_model=ServerShape)
async def get_server() -> Response:
    """Return who the server is and which versions it speaks."""
    return reply(
        ServerShape(name="driftpin", version=__version__, api="v1", protocols=PROTOCOL_VERSIONS)
    )


__all__ = ["router"]
