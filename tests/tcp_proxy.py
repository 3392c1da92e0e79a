"""A proxy on loopback that can delay, cut, swallow and hold what passes through it.

What it does to a connection is a `Plan`, asked once per connection when that connection begins. A
plan sees every chunk of bytes in either direction and returns what to pass on; raising `Cut` ends
the connection at once, both ways, without the rest.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536
Target = tuple[str, int] | Path


class Cut(Exception):
    """Raised by a plan: the connection ends here."""


class Plan:
    """Passes everything on. Override a direction to interfere with it."""

    async def to_server(self, chunk: bytes) -> bytes:
        """Return what the server gets in place of `chunk`."""
        return chunk

    async def to_client(self, chunk: bytes) -> bytes:
        """Return what the client gets in place of `chunk`."""
        return chunk


@dataclass(slots=True)
class CutAfter(Plan):
    """Cuts the connection once this many bytes have gone to the server, and to the client."""

    to_server_bytes: int | None = None
    to_client_bytes: int | None = None

    async def to_server(self, chunk: bytes) -> bytes:
        """Pass on what is left of the allowance; raise Cut behind it."""
        if self.to_server_bytes is None:
            return chunk
        if self.to_server_bytes <= 0:
            raise Cut
        passed, self.to_server_bytes = (
            chunk[: self.to_server_bytes],
            self.to_server_bytes - len(chunk),
        )
        return passed

    async def to_client(self, chunk: bytes) -> bytes:
        """Pass on what is left of the allowance; raise Cut behind it."""
        if self.to_client_bytes is None:
            return chunk
        if self.to_client_bytes <= 0:
            raise Cut
        passed, self.to_client_bytes = (
            chunk[: self.to_client_bytes],
            self.to_client_bytes - len(chunk),
        )
        return passed


@dataclass(slots=True)
class TcpProxy:
    """Listens at `url`; `plan_next` is called for each new connection, `cut_all` ends all of them.

    While `is_refusing` new connections are closed as soon as they are made.
    """

    target: Target
    plan_next: Callable[[], Plan] = Plan
    is_refusing: bool = False
    connections: int = 0
    port: int = 0
    _pipes: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Return the address to use in place of the target's, for HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def cut_all(self) -> None:
        """End every connection, at whatever byte it stands."""
        for pipe in tuple(self._pipes):
            pipe.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.is_refusing:
            writer.close()
            return
        plan = self.plan_next()
        try:
            server_reader, server_writer = await self._open()
        except OSError:
            writer.close()
            return
        there = asyncio.create_task(_pipe(reader, server_writer, plan.to_server))
        back = asyncio.create_task(_pipe(server_reader, writer, plan.to_client))
        self._pipes |= {there, back}
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        for task in (there, back):
            task.cancel()
        await asyncio.gather(there, back, return_exceptions=True)
        self._pipes -= {there, back}
        for each in (writer, server_writer):
            each.transport.abort()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, Path):
            return await asyncio.open_unix_connection(str(self.target))
        return await asyncio.open_connection(*self.target)


async def _pipe(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    passed: Callable[[bytes], Awaitable[bytes]],
) -> None:
    with suppress(Cut, OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            if kept := await passed(chunk):
                writer.write(kept)
                await writer.drain()


def target_of(url: str) -> Target:
    """Return host and port of an address such as http://127.0.0.1:7355."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


@asynccontextmanager
async def proxied(target: Target, plan_next: Callable[[], Plan] = Plan) -> AsyncIterator[TcpProxy]:
    """Give a proxy in front of `target` (host and port, or a Unix socket) until this is left."""
    proxy = TcpProxy(target, plan_next)
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut_all()
        await server.wait_closed()


__all__ = ["Cut", "CutAfter", "Plan", "TcpProxy", "proxied", "target_of"]
