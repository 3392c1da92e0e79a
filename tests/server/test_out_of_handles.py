"""A server that has no file handle left (spec/faults.md X51)."""

import asyncio
import resource
from asyncio import StreamReader
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from driftpin import limits
from driftpin.client import Client
from driftpin.wire.api import CreateChatRequest, CreateWorkspaceRequest
from replicas import Replica, replica

WAIT_S = 10.0
HOGS = 30
ROOM = 10
HEALTH = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
EVENTS = "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"


async def _ask(server: Replica, request: str, stack: AsyncExitStack) -> StreamReader:
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    stack.callback(writer.close)
    writer.write(request.encode())
    return reader


async def _until(reader: StreamReader, text: str) -> None:
    async with asyncio.timeout(WAIT_S):
        await reader.readuntil(text.encode())


@asynccontextmanager
async def _allowed(server: Replica, handles: int) -> AsyncIterator[None]:
    before = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (handles, before[1]))
    try:
        yield
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)


def _open_handles(server: Replica) -> int:
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


async def test_x51_new_sockets_are_refused_while_storage_still_has_handles(
    database_url: str,
) -> None:
    async with (
        replica(database_url) as server,
        Client(server.url, server.token) as client,
        AsyncExitStack() as held,
    ):
        workspace = await client.create_workspace(CreateWorkspaceRequest(name="x"))
        stream = await _ask(server, EVENTS.format(token=server.token), held)
        await _until(stream, ": open")
        async with _allowed(server, limits.HANDLES_KEPT + ROOM), AsyncExitStack() as hogs:
            asked = [await _ask(server, HEALTH, hogs) for _ in range(HOGS)]
            async with asyncio.timeout(WAIT_S):
                lines = [await each.readline() for each in asked]
            refused = b"HTTP/1.1 503 Service Unavailable\r\n"
            assert set(lines) == {b"HTTP/1.1 200 OK\r\n", refused}
            assert ROOM - 3 <= lines.count(b"HTTP/1.1 200 OK\r\n") < ROOM
            chat = await client.create_chat(CreateChatRequest(workspace_id=workspace.id))
            await _until(stream, chat.id)
        chat = await client.create_chat(CreateChatRequest(workspace_id=workspace.id))
        await _until(stream, chat.id)
        line = await (await _ask(server, HEALTH, held)).readline()
        assert line == b"HTTP/1.1 200 OK\r\n"


async def test_x51_a_server_with_no_handle_at_all_keeps_its_streams_and_recovers(
    database_url: str,
) -> None:
    async with (
        replica(database_url) as server,
        Client(server.url, server.token) as client,
        AsyncExitStack() as held,
    ):
        workspace = await client.create_workspace(CreateWorkspaceRequest(name="x"))
        stream = await _ask(server, EVENTS.format(token=server.token), held)
        await _until(stream, ": open")
        few = await asyncio.to_thread(_open_handles, server)
        async with _allowed(server, few):
            waiting = [await _ask(server, HEALTH, held) for _ in range(HOGS)]
            # The first is answered by nobody for as long as there is no handle for its socket.
            told = asyncio.create_task(waiting[0].readline())
            await asyncio.wait({told}, timeout=0.5)
            assert not told.done()
        async with asyncio.timeout(WAIT_S):
            assert await told == b"HTTP/1.1 200 OK\r\n"
            lines = [await each.readline() for each in waiting[1:]]
        assert set(lines) == {b"HTTP/1.1 200 OK\r\n"}
        chat = await client.create_chat(CreateChatRequest(workspace_id=workspace.id))
        await _until(stream, chat.id)
