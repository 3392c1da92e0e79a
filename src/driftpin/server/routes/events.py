"""The stream of events."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from driftpin.server.access import CurrentListener, recheck_caller
from driftpin.server.event_stream import EventStream
from driftpin.server.parameters import ChatQuery, CursorQuery, WorkspaceQuery
from driftpin.server.services import services_of
from driftpin.server.sse import EVENT_STREAM, STREAM_RESPONSES

router = APIRouter(prefix="/api/v1", tags=["events"])


@router.get("/events", response_class=EVENT_STREAM, responses=STREAM_RESPONSES)
async def stream_events(
    actor: CurrentListener,
    request: Request,
    *,
    workspace: WorkspaceQuery = None,
    chat: ChatQuery = None,
    cursor: CursorQuery = None,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> Response:
    """Stream what happens from now on, or behind a cursor; 410 `resync_required` if it cannot."""
    stream = EventStream(
        services_of(request),
        partial(recheck_caller, request),
        actor,
        workspace_id=workspace,
        chat_id=chat,
    )
    await stream.begin(last_event_id or cursor)
    return stream.response()


__all__ = ["router"]
