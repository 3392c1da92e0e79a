"""Serving over HTTP: one socket, one process, and a stop that takes seconds at most."""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

import structlog
import uvicorn
from fastapi import FastAPI

from driftpin import limits
from driftpin.errors import UsageError
from driftpin.server.app import Server
from driftpin.server.logs import configure_logs
from driftpin.server.protocol import BoundedConfig
from driftpin.server.sockets import Sockets
from driftpin.wire.link import Heartbeat

log = structlog.get_logger(__name__)

GRACE_S: Final = 5
BACKLOG: Final = 2_048
# The loop of asyncio takes so many tries in a row also when there is no handle for any of them.
ACCEPTED_AT_ONCE_MAX: Final = 64
OUT_OF_HANDLES: Final = (errno.EMFILE, errno.ENFILE)
COMPLAINT_INTERVAL_S: Final = 10.0
TICK_S: Final = 1.0
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on host and port; 0 takes a free port.

    Raises UsageError (`port_in_use`, `bad_host`).
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except socket.gaierror as failure:
        raise UsageError(f"{host!r} is not an address to listen on.", code="bad_host") from failure
    except OSError as failure:
        raise UsageError(
            f"Cannot listen on {host!r}, port {port}: {failure.strerror}.", code="port_in_use"
        ) from failure
    # Every connection inherits it. The event loop sets it for sockets alone that name their
    # protocol; without it the second half of an answer waits 40 ms for word of the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address under which a listening socket is reached from this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 compared, not bound
        host = "127.0.0.1" if listener.family is socket.AF_INET else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    server: Server,
    listener: socket.socket,
    *,
    on_ready: Callable[[], None] | None = None,
    sockets: Sockets | None = None,
    heartbeat: Heartbeat | None = None,
) -> None:
    """Serve on `listener` until SIGTERM, SIGINT, or until the task is cancelled.

    `on_ready` is called once requests are answered; `sockets` bounds connections otherwise than
    usual. What is under way at the end gets `GRACE_S` to
    finish; streams and links are ended at once.
    """
    asyncio.get_running_loop().set_exception_handler(_LoopComplaints())
    async with server.running() as app:
        web = _Web(app, server, sockets or Sockets(), heartbeat or Heartbeat())
        serving = asyncio.create_task(web.serve(sockets=[listener]))
        try:
            await web.wait_until_started(serving)
            listener.listen(BACKLOG)
            if on_ready is not None:
                on_ready()
            await asyncio.shield(serving)
        finally:
            if not serving.done():
                web.stop()
            await serving


class _LoopComplaints:
    """Says once in a while, not a thousand times, that there is no handle for a new socket."""

    def __init__(self) -> None:
        self._said_at_s = -COMPLAINT_INTERVAL_S

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        failure = context.get("exception")
        if not (isinstance(failure, OSError) and failure.errno in OUT_OF_HANDLES):
            loop.default_exception_handler(context)
        elif loop.time() - self._said_at_s >= COMPLAINT_INTERVAL_S:
            self._said_at_s = loop.time()
            log.warning("out_of_handles", detail="No file handle is left for a new connection.")


class _Web(uvicorn.Server):
    """Uvicorn that wakes when it is told to stop, and ends streams before it waits for them."""

    def __init__(
        self, app: FastAPI, server: Server, sockets: Sockets, heartbeat: Heartbeat
    ) -> None:
        super().__init__(
            BoundedConfig(
                app,
                sockets,
                ws_max_size=limits.LINK_MESSAGE_BYTES_MAX,
                ws_ping_interval=heartbeat.ping_interval_s,
                ws_ping_timeout=heartbeat.pong_timeout_s,
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=GRACE_S,
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                backlog=ACCEPTED_AT_ONCE_MAX,
                # Whoever else sends a forwarded address is not believed.
                proxy_headers=bool(sockets.proxies),
                forwarded_allow_ips=[str(network) for network in sockets.proxies],
            )
        )
        self._server = server
        self._told_to_stop = asyncio.Event()
        self._has_started = asyncio.Event()

    def stop(self) -> None:
        """Begin to stop; told twice, it no longer waits for requests under way."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._told_to_stop.set()

    async def wait_until_started(self, serving: asyncio.Task[None]) -> None:
        """Return once connections are accepted; raises what `serving` failed with."""
        started = asyncio.create_task(self._has_started.wait())
        await asyncio.wait({started, serving}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if serving.done():
            serving.result()

    async def main_loop(self) -> None:
        # The one of uvicorn looks ten times a second whether it is to stop.
        self._has_started.set()
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told_to_stop.wait(), TICK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._server.drain()
        await self._server.begin_to_stop()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The one of uvicorn raises the signal again at the end, before the database is closed.
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            for number in STOP_SIGNALS:
                # Signals reach the main thread only; elsewhere whoever runs the loop stops it.
                with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
                    loop.add_signal_handler(number, self.stop)
                    stack.callback(loop.remove_signal_handler, number)
            yield


__all__ = ["GRACE_S", "bind", "configure_logs", "serve", "url_of"]
