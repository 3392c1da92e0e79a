"""Server-sent events: one response for every stream, and the rule for readers that are too slow."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Any, Final

from prometheus_client import Gauge
from pydantic import BaseModel
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from driftpin import limits
from driftpin.clock import Clock
from driftpin.errors import Unavailable
from driftpin.identity import Actor
from driftpin.server.services import Services
from driftpin.server.tailer import Tailer
from driftpin.wire.transfer import ClosingShape, SlowConsumerShape

MEDIA_TYPE: Final = "text/event-stream"
KEEP_ALIVE_S: Final = 15
# After this long a reader that takes nothing at all is cut off without a last word.
CUT_OFF_S: Final = 3 * limits.STREAM_SEND_TIMEOUT_S
STREAM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events; `id` is the cursor to resume behind.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


class EVENT_STREAM(Response):  # noqa: N801 it names a media type for the description of routes
    """A response in the media type of server-sent events."""

    media_type = MEDIA_TYPE


def sent_event(kind: str, shape: BaseModel, cursor: str | None = None) -> ServerSentEvent:
    """Return one event of a stream; without a cursor the reader's last one stays."""
    return ServerSentEvent(shape.model_dump_json(by_alias=True), event=kind, id=cursor, sep="\n")


class _PlacedStream(EventSourceResponse):
    """A stream that holds a place for as long as it is open; refused when there is none left."""

    def __init__(
        self, place: AbstractContextManager[None], opened: Gauge, *arguments: Any, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._place = place
        self._open = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place, self._open.track_inprogress():
            await super().__call__(scope, receive, send)


def stream_response(
    events: AsyncIterator[ServerSentEvent], services: Services, actor: Actor
) -> Response:
    """Return a response that streams `events` to the actor, with comments to keep it alive.

    The stream tells why it ends, and where to go on, when the server ends it.

    Sent to somebody who has too many streams open it raises RateLimited.
    """
    return _PlacedStream(
        services.gate.stream(actor),
        services.metrics.streams,
        end_when_slow(end_with_reason(events, services.tailer), services.clock),
        ping=KEEP_ALIVE_S,
        ping_message_factory=_keep_alive,
        send_timeout=CUT_OFF_S,
        sep="\n",
    )


def _keep_alive() -> ServerSentEvent:
    return ServerSentEvent(comment="keep-alive", sep="\n")


async def end_with_reason(
    events: AsyncIterator[ServerSentEvent], tailer: Tailer
) -> AsyncIterator[ServerSentEvent]:
    """Give the events on; when the server must end them, say why as the last one."""
    cursor: str | None = None
    endings = tailer.endings
    reason = ""
    while not reason:
        try:
            async with tailer.bounded():
                event = await anext(events)
        except StopAsyncIteration:
            if not tailer.has_ended(endings):
                return
            reason = tailer.end_reason
        except Unavailable as refusal:
            reason = refusal.code
        except TimeoutError:
            # It waited for something that does not come, a silent database for one.
            reason = tailer.end_reason
        else:
            yield event
            cursor = event.id or cursor
    yield sent_event("closing", ClosingShape(reason=reason, cursor=cursor))


async def end_when_slow(
    events: AsyncIterator[ServerSentEvent], clock: Clock
) -> AsyncIterator[ServerSentEvent]:
    """Give the events on; a reader that took too long over one gets its cursor, and the end.

    Nothing is queued for a reader: it is behind only by what is stored.
    """
    cursor: str | None = None
    async for event in events:
        given_at_s = clock.monotonic_s()
        yield event
        cursor = event.id or cursor
        if clock.monotonic_s() - given_at_s > limits.STREAM_SEND_TIMEOUT_S:
            yield sent_event("slow_consumer", SlowConsumerShape(cursor=cursor))
            return


__all__ = [
    "EVENT_STREAM",
    "MEDIA_TYPE",
    "STREAM_RESPONSES",
    "end_when_slow",
    "end_with_reason",
    "sent_event",
    "stream_response",
]
