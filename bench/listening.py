"""What a server costs that many listen to while nothing happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from bench.idle import usage
from bench.product import Running
from bench.report import Report
from driftpin import limits
from driftpin.client import Client
from driftpin.wire.api import CreateTokenRequest, CreateUserRequest, ShareRequest

STREAMS: Final = 200
SETTLE_S: Final = 5
WINDOW_S: Final = 40
WAIT_S: Final = 60


async def tell_listening(report: Report, running: Running, chat_id: str) -> None:
    """Tell the share of a core that a server takes with so many streams of one chat open."""
    report.section(f"{STREAMS} open event streams, nothing happens")
    server = running.process.pid
    async with AsyncExitStack() as stack:
        for token in await _tokens(running, chat_id):
            for _ in range(limits.STREAMS_PER_CALLER_MAX):
                await stack.enter_async_context(_listening(running.url, token, chat_id))
        await asyncio.sleep(SETTLE_S)
        before = usage(server)
        await asyncio.sleep(WINDOW_S)
        after = usage(server)
    share = (after.cpu_s - before.cpu_s) / WINDOW_S * 100
    report.at_most(f"server over {WINDOW_S} s, share of a core", share, 5, " %")
    report.tell("server, resident memory", f"{after.resident_mib:.0f} MiB")


async def _tokens(running: Running, chat_id: str) -> list[str]:
    """Return tokens of as many people as it takes, each of whom may read the chat."""
    tokens = [running.token]
    async with Client(running.url, running.token) as client:
        while len(tokens) * limits.STREAMS_PER_CALLER_MAX < STREAMS:
            user = await client.create_user(CreateUserRequest(name=f"reader {len(tokens)}"))
            await client.share_chat(chat_id, ShareRequest(user_id=user.id, access="read"))
            created = await client.create_token(CreateTokenRequest(user_id=user.id))
            tokens.append(created.token)
    return tokens


@asynccontextmanager
async def _listening(url: str, token: str, chat_id: str) -> AsyncIterator[None]:
    """Listen to a chat as its page does, on a connection of its own."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    asked = (
        f"GET /api/v1/events?chat={chat_id} HTTP/1.1",
        f"host: {address.netloc}",
        f"authorization: Bearer {token}",
    )
    writer.write("\r\n".join([*asked, "", ""]).encode())
    async with asyncio.timeout(WAIT_S):
        assert b" 200 " in await reader.readline(), "the stream is open"
        await reader.readuntil(b": open")
    heard = asyncio.create_task(_hear(reader))
    try:
        yield
        assert not heard.done(), "it stays open"
    finally:
        writer.close()
        await asyncio.wait({heard})


async def _hear(reader: asyncio.StreamReader) -> None:
    while await reader.read(4096):
        pass


__all__ = ["tell_listening"]
