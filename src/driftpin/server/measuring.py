"""Every request is counted and traced here, by the template of its route."""

from collections.abc import MutableMapping
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from driftpin.clock import Clock
from driftpin.server.metrics import UNROUTED, Metrics
from driftpin.spans import Spans

RESULT: Final = "driftpin.result"
FAULT: Final = 500


class Measured:
    """Counts what `app` answers. Nothing is taken from a request but its method and route."""

    def __init__(self, app: ASGIApp, metrics: Metrics, spans: Spans, clock: Clock) -> None:
        """Count in `metrics`, trace in `spans`."""
        self._app = app
        self._metrics = metrics
        self._spans = spans
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer and count."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = self._clock.monotonic_s()
        status = FAULT

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._spans.span("request") as span:
            try:
                await self._app(scope, receive, note_status)
            finally:
                method, route = scope["method"], route_of(scope)
                span.rename(f"{method} {route}")
                span.tell("http.response.status_code", status)
                seconds = self._clock.monotonic_s() - began_s
                result = str(scope.get(RESULT) or ("ok" if status < 400 else "refused"))
                self._metrics.count_request(method, route, status, seconds, result)


def note_result(scope: MutableMapping[str, Any], result: str) -> None:
    """Say what became of a request: a word or a stable code of ours."""
    scope[RESULT] = result


def route_of(scope: Scope) -> str:
    """Return the template of the route that a request met; its path may hold ids."""
    route = scope.get("route")
    return str(getattr(route, "path", UNROUTED))


__all__ = ["Measured", "note_result", "route_of"]
