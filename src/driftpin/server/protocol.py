"""Uvicorn's protocols with an end to everything that a sender could draw out.

    head     grows to so many bytes and takes so many seconds (431, 408)
    body     pauses and lasts no longer than allowed (408)
    framing  that two readers could understand in two ways is refused (400)
    pings    of a link come so often at the most (1008)
    sockets  are so many in all, and from one address (503, 429)

After each of these refusals the connection is closed.
"""

import asyncio
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from driftpin import limits
from driftpin.clock import SystemClock
from driftpin.errors import RateLimited
from driftpin.server.problems import problem_response, response_of
from driftpin.server.rates import Rate, Rates
from driftpin.server.secure_headers import SECURE_HEADERS
from driftpin.server.sockets import Sockets

# A head past its limit but not past this is refused by `header_limit`, with the connection kept in
# order; past this the client is cut off in the middle of it.
HEAD_BYTES_MAX: Final = 4 * limits.API_HEADER_BYTES_MAX
LINGER_S: Final = 1.0
CLOSE_POLICY: Final = 1008
PINGS: Final = Rate(limits.LINK_PINGS_BURST_MAX, limits.LINK_PINGS_PER_SECOND_MAX)


class BoundedConfig(uvicorn.Config):
    """Uvicorn's configuration with what the protocols below count."""

    def __init__(self, app: FastAPI, sockets: Sockets, **options: Any) -> None:
        """Serve `app`; `sockets` is shared by all of its connections."""
        super().__init__(app, http=BoundedHttpProtocol, ws=BoundedLinkProtocol, **options)
        self.bounded_sockets = sockets


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection; answers and closes when its sender goes too far."""

    def __init__(self, config: BoundedConfig, *arguments: Any, **options: Any) -> None:
        """Begin in the head of the first request."""
        super().__init__(config, *arguments, **options)
        self._sockets = config.bounded_sockets
        self._is_counted = False
        self._is_refused = self._is_lingering = False
        self._is_in_head = True
        self._is_in_body = False
        self._head_bytes = 0
        self._began_s = self._moved_s = self.loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Take the connection, unless there are too many."""
        super().connection_made(transport)
        refusal = self._sockets.enter(_address_of(self))
        self._is_counted = refusal is None
        if refusal is None:
            self._watch(is_new=True)
        else:
            self._refuse(response_of(refusal))

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the connection's place to the next."""
        self._unwatch()
        self._sockets.lingering -= self._is_lingering
        if self._is_counted:
            self._sockets.leave(_address_of(self))
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection, and its place, to a link."""
        self._unwatch()
        super().handle_websocket_upgrade()
        self._is_in_head = self._is_in_body = self._is_counted = False

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0
        self._watch(is_new=True)

    def on_headers_complete(self) -> None:
        """Stop counting; a body may follow."""
        self._is_in_head, self._is_in_body = False, True
        self._began_s = self.loop.time()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for nothing more."""
        self._is_in_body = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless the head has grown too large."""
        if self._is_refused or not self._is_counted:
            return
        self._moved_s = self.loop.time()
        super().data_received(data)
        if self._is_in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                detail = f"Headers have at most {limits.API_HEADER_BYTES_MAX} bytes."
                self._refuse(problem_response(431, "headers_too_large", detail))
        if not self._is_refused:
            self._watch()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or one that could be read in two ways."""
        self._refuse(problem_response(400, "bad_http", msg))

    def _watch(self, *, is_new: bool = False) -> None:
        """Look after the pace for as long as a head or body is under way."""
        if is_new:
            self._began_s = self.loop.time()
        if not (self._is_in_head or self._is_in_body) or self.transport.is_closing():
            self._unwatch()
        elif self._timer is None:
            self._timer = self.loop.call_at(self._due_s(), self._check_pace)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due_s(self) -> float:
        pace = self._sockets.pace
        if self._is_in_head:
            return self._began_s + pace.head_s
        return min(self._began_s + pace.body_s, self._moved_s + pace.body_pause_s)

    def _check_pace(self) -> None:
        self._timer = None
        now_s = self.loop.time()
        if self.flow.read_paused:
            # The sender waits for us.
            self._began_s = self._moved_s = now_s
        if now_s < self._due_s():
            self._watch()
        elif self._is_in_head and not self._head_bytes:
            self.transport.close()
        else:
            self._refuse(problem_response(408, "too_slow", "The request did not come in time."))

    def _refuse(self, response: Response) -> None:
        """Answer, and close once the sender has had a moment to read it.

        A socket that is closed while bytes for it are under way takes back what it sent.
        """
        self._unwatch()
        if not self._is_free_to_answer():
            self.transport.close()
            return
        self._is_refused = True
        self._answer(response)
        if self._sockets.lingering >= limits.SOCKETS_LINGERING_MAX:
            self.transport.close()
            return
        self._sockets.lingering += 1
        self._is_lingering = True
        self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_S, self.transport.close)

    def _answer(self, response: Response) -> None:
        headers = {**SECURE_HEADERS, "Connection": "close", **response.headers}
        lines = [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers.items()]
        head = STATUS_LINE[response.status_code] + b"".join(lines)
        self.transport.write(head + b"\r\n" + bytes(response.body))

    def _is_free_to_answer(self) -> bool:
        """Whether nothing of another answer is, or will be, on the wire."""
        # There is none before the first request, whatever its type says.
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            return True
        return self._is_in_body and not cycle.response_started and not self.pipeline


class BoundedLinkProtocol(WebSocketsSansIOProtocol):
    """One link; it takes over the place of the connection that it was."""

    def __init__(self, config: BoundedConfig, *arguments: Any, **options: Any) -> None:
        """Begin without a ping."""
        super().__init__(config, *arguments, **options)
        self._sockets = config.bounded_sockets
        self._pings = Rates(SystemClock(), PINGS, "Too many pings.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the connection's place to the next."""
        self._sockets.leave(_address_of(self))
        super().connection_lost(exc)

    def handle_ping(self) -> None:
        """Answer a ping, unless there are too many."""
        if self._is_at_peace():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Take a pong, unless there are too many."""
        if self._is_at_peace():
            super().handle_pong(event)

    def _is_at_peace(self) -> bool:
        if self.close_sent:
            return False
        try:
            self._pings.take("")
        except RateLimited:
            self.conn.fail(CLOSE_POLICY, "ping_flood")
            self.handle_parser_exception()
            return False
        return True


def _address_of(connection: BoundedHttpProtocol | BoundedLinkProtocol) -> str:
    return connection.client[0] if connection.client else ""


__all__ = ["BoundedConfig", "BoundedHttpProtocol", "BoundedLinkProtocol"]
