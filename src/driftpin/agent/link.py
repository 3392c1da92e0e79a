"""The link: one outbound WebSocket over which the server calls the agent.

JSON-RPC 2.0 in msgpack. The link says that the agent lives and carries calls; losing it loses
nothing, and when it is back the agent says hello again, since the server may be another one or an
older one by then. Calls have a timeout, a maximum in flight and a maximum size.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Literal, NoReturn, Protocol

import msgspec

from driftpin import limits
from driftpin.agent.waiting import Backoff, Waiter, wait_on_clock
from driftpin.context.manifest import Json
from driftpin.errors import DriftpinError, NotFound, RateLimited, Unavailable, Unreachable

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


Dialer = Callable[[], AbstractAsyncContextManager[LinkConnection]]


class LinkCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request as JSON-RPC writes it."""

    jsonrpc: Literal["2.0"]
    id: int | str
    method: str
    params: dict[str, Any] = {}


class Link:
    """Keeps the link up and answers what comes over it. `is_up` says whether it is connected."""

    def __init__(
        self,
        dial: Dialer,
        calls: Mapping[str, CallHandler],
        *,
        on_return: Callable[[], None],
        backoff: Backoff | None = None,
        waiter: Waiter = wait_on_clock,
    ) -> None:
        self._dial = dial
        self._calls = calls
        self._on_return = on_return
        self._backoff = backoff or Backoff()
        self._waiter = waiter
        self._never = asyncio.Event()
        self._in_flight = 0
        self.is_up = False

    async def run(self) -> NoReturn:
        """Connect, serve, and connect again, for ever; `on_return` is called from the second on."""
        is_return = False
        while True:
            try:
                async with self._dial() as connection:
                    self.is_up = True
                    if is_return:
                        self._on_return()
                    is_return = True
                    await self._serve(connection)
            except DriftpinError as error:
                _log.info("the link is down: %s", error.message)
            except Exception:  # noqa: BLE001 - the top of a loop
                _log.exception("the link failed")
            self.is_up = False
            await self._waiter(self._never, self._backoff.next_wait_s())

    async def _serve(self, connection: LinkConnection) -> None:
        async with asyncio.TaskGroup() as group:
            answering: set[asyncio.Task[None]] = set()
            while (message := await connection.receive()) is not None:
                self._backoff.reset()
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

    async def _reply_to(self, message: bytes) -> dict[str, Json]:
        try:
            call = msgspec.msgpack.decode(message, type=LinkCall)
        except (msgspec.DecodeError, RecursionError):
            return _error_reply(None, PARSE_ERROR, "not a JSON-RPC 2.0 request", "bad_message")
        try:
            return {"jsonrpc": "2.0", "id": call.id, "result": await self._run(call)}
        except NotFound as error:
            return _error_reply(call.id, METHOD_NOT_FOUND, error.message, error.code)
        except DriftpinError as error:
            return _error_reply(call.id, REFUSED, error.message, error.code)
        except Exception:  # noqa: BLE001 - one call must not end the link
            _log.exception("the call %r failed", call.method)
            return _error_reply(call.id, REFUSED, "the agent failed; see its log", "internal")

    async def _run(self, call: LinkCall) -> Json:
        handler = self._calls.get(call.method)
        if handler is None:
            raise NotFound(f"there is no call {call.method!r}", code="unknown_method")
        if self._in_flight >= limits.LINK_CALLS_IN_FLIGHT_MAX:
            raise RateLimited("too many calls are in flight", code="too_many_calls")
        self._in_flight += 1
        try:
            async with asyncio.timeout(limits.LINK_CALL_TIMEOUT_S):
                return await handler(call.params)
        except TimeoutError:
            raise Unavailable("the call took too long", code="call_timeout") from None
        finally:
            self._in_flight -= 1


def _encoded(reply: dict[str, Json]) -> bytes:
    message = msgspec.msgpack.encode(reply)
    if len(message) <= limits.LINK_MESSAGE_BYTES_MAX:
        return message
    number = reply["id"]
    assert number is None or isinstance(number, int | str)
    return msgspec.msgpack.encode(
        _error_reply(number, REFUSED, "the answer is too large for the link", "too_large")
    )


def _error_reply(number: int | str | None, status: int, text: str, code: str) -> dict[str, Json]:
    error: dict[str, Json] = {"code": status, "message": text, "data": {"code": code}}
    return {"jsonrpc": "2.0", "id": number, "error": error}


__all__ = ["CallHandler", "Dialer", "Link", "LinkCall", "LinkConnection"]
