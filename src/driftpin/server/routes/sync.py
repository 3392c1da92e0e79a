"""The operator's switch that pauses context sync."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from driftpin.operations.pause_sync import pause_sync
from driftpin.server.access import CurrentUser
from driftpin.server.body import JsonBody
from driftpin.server.replies import reply
from driftpin.server.services import services_of
from driftpin.store.reading.pulse import SyncState
from driftpin.wire.transfer import SyncRequest, SyncShape

router = APIRouter(prefix="/api/v1", tags=["server"])

Wish = Annotated[SyncRequest, Depends(JsonBody(SyncRequest))]


@router.get("/sync", response_model=SyncShape)
async def get_sync(_actor: CurrentUser, request: Request) -> Response:
    """Return whether pushes of all agents are paused."""
    pulse = services_of(request).pulse
    await pulse.look()
    return reply(_shape(pulse.sync))


@router.put("/sync", response_model=SyncShape)
async def set_sync(actor: CurrentUser, request: Request, wish: Wish) -> Response:
    """Pause or resume pushes of all agents; administrators only. Pins stay readable meanwhile."""
    services = services_of(request)
    state = await pause_sync(services.store, actor, is_paused=wish.paused)
    await services.pulse.look()
    return reply(_shape(state))


def _shape(state: SyncState) -> SyncShape:
    return SyncShape(paused=state.is_paused, since=state.since)


__all__ = ["router"]
