"""A provider's server on the loopback interface, and the request that it is asked with."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

from driftpin.chat.messages import Message, Role, TextPart, ToolCallPart, ToolResultPart
from driftpin.chat.prompt import render_prompt
from driftpin.chat.skill_tools import TOOLS
from driftpin.models.port import ModelRequest, ModelSettings
from pinned_texts import MakePin

VOLATILE = "<driftpin-now>\nDate: 2026-03-01\n</driftpin-now>"
HISTORY = (
    Message(Role.USER, (TextPart("tidy up"),)),
    Message(
        Role.ASSISTANT, (TextPart("I look."), ToolCallPart("c1", "read_skill", '{"name": "tidy"}'))
    ),
    Message(Role.TOOL, (ToolResultPart("c1", "read_skill", "Sweep first."),)),
)
ARGUMENTS = '{"name": "tidy", "path": "run.sh"}'


@dataclass
class Reply:
    body: str | bytes
    status: int = 200
    content_type: str = "text/event-stream"
    headers: dict[str, str] = field(default_factory=dict)
    stays_open: bool = False

    def encoded(self) -> bytes:
        """Return the whole reply; one that stays open is a first piece, with no last one."""
        framing = ("transfer-encoding", "chunked") if self.stays_open else ("connection", "close")
        named = {"content-type": self.content_type, framing[0]: framing[1], **self.headers}
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {named[name]}" for name in named)]
        body = self.body.encode() if isinstance(self.body, str) else self.body
        if self.stays_open:
            body = f"{len(body):x}\r\n".encode() + body + b"\r\n"
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@dataclass
class FakeProvider:
    """Answers each request with the next reply and keeps what was asked.

    It runs on the loop of the test, so a client that blocked the loop would never be answered.
    Nobody is answered before `together` have asked; `left` is set when whom a reply that stays open
    was given has gone.
    """

    replies: list[Reply] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""
    together: int = 1
    all_asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
        self.asked.append((head[0].split()[1], headers, json.loads(body)))
        if len(self.asked) >= self.together:
            self.all_asked.set()
        await self.all_asked.wait()
        reply = self.replies.pop(0)
        writer.write(reply.encoded())
        await writer.drain()
        if reply.stays_open:
            await reader.read()
            self.left.set()
        writer.close()


@asynccontextmanager
async def serving(
    *replies: Reply, together: int = 1, tls: SSLContext | None = None
) -> AsyncIterator[FakeProvider]:
    fake = FakeProvider(list(replies), together=together)
    server = await asyncio.start_server(fake.answer, "127.0.0.1", 0, ssl=tls)
    host, port = server.sockets[0].getsockname()
    fake.url = f"http{'s' if tls else ''}://{host}:{port}"
    try:
        yield fake
    finally:
        server.close()
        await server.wait_closed()


def a_request(make_pin: MakePin, *, volatile: str = VOLATILE) -> ModelRequest:
    pin = make_pin({"workspace:AGENTS.md": "Use tabs."})
    prompt = render_prompt(pin, budget_tokens=10_000)
    settings = ModelSettings(max_output_tokens=64, temperature=0.5)
    return ModelRequest(prompt, pin, TOOLS, HISTORY, volatile, settings)
