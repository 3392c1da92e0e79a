"""A proxy on loopback that understands requests: one can be kept, repeated, sent on much later.

What becomes of a request is decided by a `Handler`, which has `HttpProxy.forward` to send any
request on, as often and whenever it likes. A handler that returns None cuts the connection.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

END_OF_HEADERS = b"\r\n\r\n"
HEADERS_BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer, as it travelled."""

    head: bytes
    body: bytes

    @property
    def first_line(self) -> str:
        """Return the line with the method and path, or with the status."""
        return self.head.partition(b"\r\n")[0].decode("ascii")

    @property
    def status(self) -> int:
        """Return the status of an answer."""
        return int(self.first_line.split(" ")[1])


Handler = Callable[[Message], Awaitable[Message | None]]


@dataclass(slots=True)
class HttpProxy:
    """Listens at `url` and asks `handle` about every request."""

    host: str
    port: int
    handle: Handler | None = None
    url: str = ""
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def forward(self, request: Message) -> Message:
        """Send a request on, over a connection of its own, and return the answer."""
        reader, writer = await asyncio.open_connection(
            self.host, self.port, limit=HEADERS_BYTES_MAX
        )
        try:
            writer.write(request.head + request.body)
            await writer.drain()
            return await _read_message(reader)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while (answer := await self._answer(reader)) is not None:
                writer.write(answer.head + answer.body)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            self._serving.discard(task)

    async def _answer(self, reader: asyncio.StreamReader) -> Message | None:
        request = await _read_message(reader)
        return await (self.handle or self.forward)(request)


async def _read_message(reader: asyncio.StreamReader) -> Message:
    head = await reader.readuntil(END_OF_HEADERS)
    lengths = [
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    return Message(head, await reader.readexactly(lengths[0] if lengths else 0))


@asynccontextmanager
async def http_proxied(host: str, port: int) -> AsyncIterator[HttpProxy]:
    """Give a proxy in front of a server until this is left; it passes on until told otherwise."""
    proxy = HttpProxy(host, port)
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0, limit=HEADERS_BYTES_MAX)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in tuple(proxy._serving):
            task.cancel()
        await asyncio.gather(*proxy._serving, return_exceptions=True)
        await server.wait_closed()


__all__ = ["Handler", "HttpProxy", "Message", "http_proxied"]
