"""A model that speaks when a test says so: a stand-in of a provider's HTTP API on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

MODEL = "openai:stand-in"
END: None = None


@dataclass
class Speaker:
    """Says what is put into `words`, piece by piece; None ends an answer."""

    url: str = ""
    words: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)

    @property
    def variables(self) -> dict[str, str]:
        """What a server must find set to ask here."""
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "stand-in"}

    def say(self, *pieces: str) -> None:
        """Have it say so much of its answer."""
        for piece in pieces:
            self.words.put_nowait(piece)

    def end(self) -> None:
        """Have it end its answer."""
        self.words.put_nowait(END)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request for as long as somebody listens."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].split("\r\n")[0])
        await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
        writer.write(b"connection: close\r\n\r\n")
        with suppress(ConnectionError):
            await self._speak(reader, writer)
        writer.close()

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = asyncio.create_task(reader.read())
        try:
            while True:
                piece = asyncio.create_task(self.words.get())
                await asyncio.wait({piece, left}, return_when=asyncio.FIRST_COMPLETED)
                if not piece.done():
                    piece.cancel()
                    return
                said = piece.result()
                if said is END:
                    break
                writer.write(_chunk({"content": said}))
                await writer.drain()
            writer.write(_chunk({}, "stop") + b"data: [DONE]\n\n")
            await writer.drain()
        finally:
            left.cancel()


def _chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }
    return f"data: {json.dumps(chunk)}\n\n".encode()


@asynccontextmanager
async def speaking() -> AsyncIterator[Speaker]:
    """Give a speaker that can be asked."""
    speaker = Speaker()
    server = await asyncio.start_server(speaker.answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    speaker.url = f"http://{host}:{port}/v1"
    try:
        yield speaker
    finally:
        server.close()
        await server.wait_closed()


__all__ = ["MODEL", "Speaker", "speaking"]
