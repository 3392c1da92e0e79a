"""A proxy that cuts connections at a byte."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

CHUNK_BYTES = 4096


class CuttingProxy:
    """Passes bytes on to one server.

    A connection is cut after as many more bytes of requests as `cuts` names, one at a time. As many
    answers as `swallowed` says are lost, with their connections.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._host, self._port = parts.hostname, parts.port
        self.cuts: deque[int] = deque()
        self.swallowed = 0
        self.connections_cut = 0
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["CuttingProxy"]:
        server = await asyncio.start_server(self._on_connection, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        passing = {
            asyncio.create_task(self._pass_requests(reader, far_writer)),
            asyncio.create_task(self._pass_answers(far_reader, writer)),
        }
        try:
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in passing:
                each.cancel()
            await asyncio.gather(*passing, return_exceptions=True)
            for end in (writer, far_writer):
                end.close()
            await asyncio.gather(
                writer.wait_closed(), far_writer.wait_closed(), return_exceptions=True
            )
            self._tasks.discard(task)

    async def _pass_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        left: int | None = None
        while chunk := await reader.read(CHUNK_BYTES):
            if left is None and self.cuts:
                left = self.cuts.popleft()
            writer.write(chunk[:left])
            await writer.drain()
            if left is not None and (left := left - len(chunk)) <= 0:
                self.connections_cut += 1
                return

    async def _pass_answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if self.swallowed:
                self.swallowed -= 1
                return
            writer.write(chunk)
            await writer.drain()
