"""The agent's end of the local socket (`agent.local_protocol`)."""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
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
        listener = _listener_at(path)
        inode = path.stat().st_ino
        server = await asyncio.start_unix_server(
            self._on_connection, sock=listener, limit=limits.LOCAL_REQUEST_BYTES_MAX
        )
        try:
            yield path
        finally:
            server.close()
            for connection in tuple(self._connections):
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            _remove_own(path, inode)

    async def _on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        self._connections.add(task)
        try:
            if len(self._connections) <= limits.LOCAL_CONNECTIONS_MAX and _is_own_user(writer):
                await self._serve(reader, writer)
        except (OSError, TimeoutError):
            _log.debug("a local connection ended early")
        finally:
            self._connections.discard(task)
            writer.close()

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
        except (msgspec.DecodeError, RecursionError):
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


def _is_own_user(writer: asyncio.StreamWriter) -> bool:
    peer: socket.socket = writer.get_extra_info("socket")
    packed = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_CREDENTIALS.size)
    _, user, _ = PEER_CREDENTIALS.unpack(packed)
    return bool(user == os.getuid())


__all__ = ["LocalHandler", "LocalSocket"]
