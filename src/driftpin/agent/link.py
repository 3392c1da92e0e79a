"""The link: one outbound WebSocket over which the server calls the agent.

JSON-RPC 2.0 in msgpack. The link says that the agent lives and carries calls; losing it loses
nothing, and when it is back the agent says hello again, since the server may be another one or an
older one by then. Calls have a timeout, a maximum in flight and a maximum size.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final, NoReturn, Protocol

import msgspec

from driftpin import limits
from driftpin.agent.waiting import Backoff, Waiter, wait_on_clock
from driftpin.clock import Clock
from driftpin.context.manifest import Json
from driftpin.errors import DriftpinError, NotFound, RateLimited, Unavailable, Unreachable
from driftpin.wire.link import LinkCall, LinkError, LinkNote, LinkReply, call_timeout_s

CallHandler = Callable[[Mapping[str, Any]], Awaitable[Json]]

# JSON-RPC 2.0 §5.1; refusals of our own carry their stable code in `data`.
PARSE_ERROR: Final = -32700
METHOD_NOT_FOUND: Final = -32601
REFUSED: Final = -32000

_log = logging.getLogger(__name__)


class LinkConnection(Protocol):
    """One connected link."""

    async def receive(self) -> bytes | None:
        """Return the next message, or None when the link has ended."""

    async def send(self, message: bytes) -> None:
        """Send one message; raise Unreachable when the link has ended."""


# Connects as the run with this incarnation; raises Unreachable, or Unavailable when refused.
Dialer = Callable[[int], AbstractAsyncContextManager[LinkConnection]]


class Link:
    """Keeps the link up and answers what comes over it.

    `on_change` is called when the link ended, came back, or was refused: the server may have been
    replaced, or the agent; a hello tells.
    """

    def __init__(
        self,
        dial: Dialer,
        calls: Mapping[str, CallHandler],
        *,
        incarnation: Callable[[], int],
        on_change: Callable[[], None],
        clock: Clock,
        backoff: Backoff | None = None,
        waiter: Waiter = wait_on_clock,
    ) -> None:
        self._dial = dial
        self._calls = calls
        self._incarnation = incarnation
        self._on_change = on_change
        self._clock = clock
        self._was_up = False
        self._backoff = backoff or Backoff()
        self._waiter = waiter
        self._never = asyncio.Event()
        self._in_flight = 0
        self._connection: LinkConnection | None = None

    @property
    def is_up(self) -> bool:
        """Whether the link is connected."""
        return self._connection is not None

    async def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Tell the server something that nobody waits for; without a link it is not told."""
        if self._connection is not None:
            note = msgspec.msgpack.encode(LinkNote(method=method, params=dict(params)))
            with suppress(Unreachable):
                await self._connection.send(note)

    async def run(self) -> NoReturn:
        """Connect, serve, and connect again, for ever."""
        while True:
            try:
                await self._connect_and_serve()
            except Unreachable as error:
                _log.info("there is no link: %s", error.message)
            except DriftpinError as error:
                _log.warning("the server refuses the link: %s", error.message)
                self._on_change()
            except Exception:  # noqa: BLE001 - the top of a loop
                _log.exception("the link failed")
            await self._waiter(self._never, self._backoff.next_wait_s())

    async def _connect_and_serve(self) -> None:
        async with self._dial(self._incarnation()) as connection:
            self._connection = connection
            since_s = self._clock.monotonic_s()
            if self._was_up:
                self._on_change()
            self._was_up = True
            try:
                await self._serve(connection)
            finally:
                self._connection = None
        if self._clock.monotonic_s() - since_s >= limits.LINK_PING_INTERVAL_S:
            self._backoff.reset()
        self._on_change()

    async def _serve(self, connection: LinkConnection) -> None:
        async with asyncio.TaskGroup() as group:
            answering: set[asyncio.Task[None]] = set()
            while (message := await connection.receive()) is not None:
                task = group.create_task(self._answer(connection, message))
                answering.add(task)
                task.add_done_callback(answering.discard)
            for task in answering:
                # Nobody is left to answer.
                task.cancel()

    async def _answer(self, connection: LinkConnection, message: bytes) -> None:
        reply = await self._reply_to(message)
        try:
            await connection.send(_encoded(reply))
        except Unreachable:
            _log.info("the link went away before a call was answered")

    async def _reply_to(self, message: bytes) -> LinkReply:
        try:
            call = msgspec.msgpack.decode(message, type=LinkCall)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _refusal(None, PARSE_ERROR, "not a JSON-RPC 2.0 request", "bad_message")
        try:
            return LinkReply(jsonrpc="2.0", id=call.id, result=await self._run(call))
        except NotFound as error:
            return _refusal(call.id, METHOD_NOT_FOUND, error.message, error.code)
        except DriftpinError as error:
            return _refusal(call.id, REFUSED, error.message, error.code)
        except Exception:  # noqa: BLE001 - one call must not end the link
            _log.exception("the call %r failed", call.method)
            return _refusal(call.id, REFUSED, "the agent failed; see its log", "internal")

    async def _run(self, call: LinkCall) -> Json:
        handler = self._calls.get(call.method)
        if handler is None:
            raise NotFound(f"there is no call {call.method!r}", code="unknown_method")
        if self._in_flight >= limits.LINK_CALLS_IN_FLIGHT_MAX:
            raise RateLimited("too many calls are in flight", code="too_many_calls")
        self._in_flight += 1
        try:
            async with asyncio.timeout(call_timeout_s(call.method)):
                return await handler(call.params)
        except TimeoutError:
            raise Unavailable("the call took too long", code="call_timeout") from None
        finally:
            self._in_flight -= 1


def _encoded(reply: LinkReply) -> bytes:
    message = msgspec.msgpack.encode(reply)
    if len(message) <= limits.LINK_MESSAGE_BYTES_MAX:
        return message
    refusal = _refusal(reply.id, REFUSED, "the answer is too large for the link", "too_large")
    return msgspec.msgpack.encode(refusal)


def _refusal(number: int | None, status: int, text: str, code: str) -> LinkReply:
    error = LinkError(code=status, message=text, data={"code": code})
    return LinkReply(jsonrpc="2.0", id=number, error=error)


__all__ = ["CallHandler", "Dialer", "Link", "LinkConnection"]
