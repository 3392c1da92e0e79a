"""The agent's end of the local socket (`agent.local_protocol`)."""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from driftpin import limits
from driftpin.agent.local_client import is_answering
from driftpin.agent.local_protocol import (
    LocalCall,
    LocalRequest,
    check_is_private,
    error_line,
    result_line,
)
from driftpin.context.manifest import Json
from driftpin.errors import Conflict, DriftpinError, Forbidden

LocalHandler = Callable[[Mapping[str, Any]], Awaitable[Json]]

CLOSE_TIMEOUT_S: Final = 1.0
ACCEPT_RETRY_S: Final = 0.5
PEER_CREDENTIALS: Final = struct.Struct("3i")

_log = logging.getLogger(__name__)


class LocalSocket:
    """Serves the calls of one agent to processes of the same user."""

    def __init__(self, handlers: Mapping[LocalCall, LocalHandler]) -> None:
        """Answer each call with its handler; a call without one is refused as unknown."""
        self._handlers = handlers
        self._connections: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def serving(self, candidates: tuple[Path, ...]) -> AsyncIterator[Path]:
        """Listen at the first of these paths whose directory can be had; yield that path.

        Raises Conflict (`agent_running`) if another agent answers there already, and Forbidden if
        no directory is private.
        """
        path = _usable_path(candidates)
        with _listener_at(path) as listener:
            inode = path.stat().st_ino
            self._resume(listener)
            try:
                yield path
            finally:
                asyncio.get_running_loop().remove_reader(listener)
                for connection in tuple(self._connections):
                    connection.cancel()
                await asyncio.gather(*self._connections, return_exceptions=True)
                _remove_own(path, inode)

    # asyncio's own servers, and `sock_accept`, lose a connection that comes while they are ended.
    def _resume(self, listener: socket.socket) -> None:
        if listener.fileno() != -1:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError:
            _log.warning("a local connection was not accepted", exc_info=True)
            loop.remove_reader(listener)
            loop.call_later(ACCEPT_RETRY_S, self._resume, listener)
            return
        connection.setblocking(False)  # noqa: FBT003 - the socket's own signature
        task = loop.create_task(self._hold(connection))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # A task that is cancelled before its first step closes nothing by itself.
        task.add_done_callback(partial(_close_late, connection))

    async def _hold(self, connection: socket.socket) -> None:
        is_one_too_many = len(self._connections) > limits.LOCAL_CONNECTIONS_MAX
        if is_one_too_many or not _is_own_user(connection):
            return
        reader, writer = await asyncio.open_unix_connection(
            sock=connection, limit=limits.LOCAL_REQUEST_BYTES_MAX
        )
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError):
            _log.debug("a local connection ended early")
        finally:
            await _close(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(limits.LOCAL_READ_TIMEOUT_S):
                try:
                    line = await reader.readline()
                except ValueError:
                    writer.write(error_line("too_large", "the call is too large"))
                    return
            if not line.endswith(b"\n"):
                return
            writer.write(await self._answer(line))
            async with asyncio.timeout(limits.LOCAL_READ_TIMEOUT_S):
                await writer.drain()

    async def _answer(self, line: bytes) -> bytes:
        try:
            request = msgspec.json.decode(line, type=LocalRequest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return error_line("invalid_request", "expected one JSON object with a known call")
        try:
            answer = result_line(await self._run(request))
        except DriftpinError as error:
            return error_line(error.code, error.message)
        except TimeoutError:
            return error_line("call_timeout", "the call took too long")
        except Exception:  # noqa: BLE001 - one call must not end the socket
            _log.exception("the local call %s failed", request.call)
            return error_line("internal", "the agent failed; see its log")
        if len(answer) > limits.LOCAL_REPLY_BYTES_MAX:
            return error_line("too_large", "the answer is too large")
        return answer

    async def _run(self, request: LocalRequest) -> Json:
        handler = self._handlers.get(request.call)
        if handler is None:
            raise Conflict(f"this agent has no call {request.call.value!r}", code="unknown_method")
        async with asyncio.timeout(limits.LOCAL_CALL_TIMEOUT_S):
            return await handler(request.arguments)


def _usable_path(candidates: tuple[Path, ...]) -> Path:
    refusal = Forbidden("there is no private directory for the agent's socket")
    for path in candidates:
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            check_is_private(path.parent)
        except (OSError, Forbidden) as error:
            refusal.__cause__ = error
            continue
        return path
    raise refusal


def _listener_at(path: Path) -> socket.socket:
    if is_answering(path):
        raise Conflict("an agent for this directory is running already", code="agent_running")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        # The directory is private already; between bind and chmod nobody else can connect.
        path.chmod(0o600)
        listener.listen(limits.LOCAL_CONNECTIONS_MAX)
        listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
    except OSError:
        listener.close()
        raise
    return listener


def _remove_own(path: Path, inode: int) -> None:
    # A later agent may have taken the place; its socket is not ours to remove.
    with contextlib.suppress(OSError):
        if path.lstat().st_ino == inode:
            path.unlink()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        # The other end is gone, or does not take what was sent to it.
        writer.transport.abort()


def _close_late(connection: socket.socket, _task: asyncio.Task[None]) -> None:
    connection.close()


def _is_own_user(peer: socket.socket) -> bool:
    packed = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_CREDENTIALS.size)
    _, user, _ = PEER_CREDENTIALS.unpack(packed)
    return bool(user == os.getuid())


__all__ = ["LocalHandler", "LocalSocket"]
