"""Senders that draw out, overstep or confuse the wire (spec/bad-input.md F22, F23, G7; X51)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_network

import pytest
from websockets.asyncio.client import connect

from driftpin import limits
from driftpin.server.sockets import Pace, Sockets
from driftpin.store.database import EngineKind
from served import Site, open_site

WAIT_S = 5.0
SOON = Pace(head_s=0.2, body_pause_s=0.2, body_s=0.6)
HEAD = b"POST /api/v1/workspaces HTTP/1.1\r\nHost: localhost\r\n"
POLICY = 1008


class Wire:
    """One plain connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def send(self, content: bytes) -> None:
        self.writer.write(content)

    async def everything(self) -> tuple[int, str, bytes]:
        """Return status, code and the rest, once the server has closed the connection."""
        async with asyncio.timeout(WAIT_S):
            said = await self._reader.read()
        head, _, body = said.partition(b"\r\n\r\n")
        if not head:
            return 0, "", b""
        status = int(head.split(b" ", 2)[1])
        code = json.loads(body).get("code", "") if status >= 400 else ""
        return status, code, head.lower()

    async def status(self) -> int:
        """Return the status of the next answer."""
        async with asyncio.timeout(WAIT_S):
            line = await self._reader.readline()
        return int(line.split(b" ", 2)[1])


@asynccontextmanager
async def wire(site: Site) -> AsyncIterator[Wire]:
    host, port = site.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


@pytest.fixture(params=[EngineKind.SQLITE], ids=str)
def engine_kind(request: pytest.FixtureRequest) -> EngineKind:
    """One engine: nothing here comes as far as a database."""
    kind: EngineKind = request.param
    return kind


@pytest.fixture
async def impatient(database_url: str) -> AsyncIterator[Site]:
    """A served server that waits for a fifth of a second."""
    async with open_site(database_url, sockets=Sockets(pace=SOON)) as opened:
        yield opened


@pytest.mark.parametrize(
    "framing",
    [
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Content-Length: 4, 4\r\n",
        b"Content-Length: +4\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x4\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"Content-Length : 4\r\n",
    ],
)
async def test_f22_framing_that_two_could_read_in_two_ways_is_400_and_the_end(
    site: Site, framing: bytes
) -> None:
    async with wire(site) as sent:
        sent.send(HEAD + framing + b"\r\n4\r\nGET \r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n")
        status, code, head = await sent.everything()
    assert (status, code) == (400, "bad_http")
    assert b"connection: close" in head
    assert b"content-security-policy" in head


async def test_f23_a_slow_head_is_408_and_the_end(impatient: Site) -> None:
    async with wire(impatient) as sent:
        sent.send(HEAD)
        status, code, head = await sent.everything()
    assert (status, code) == (408, "too_slow")
    assert b"connection: close" in head


async def test_f23_a_head_that_drips_is_no_faster(impatient: Site) -> None:
    async with wire(impatient) as sent:
        dripping = asyncio.create_task(_drip(impatient, sent, HEAD + b"X: y\r\n" * 1_000))
        assert (await sent.everything())[:2] == (408, "too_slow")
        dripping.cancel()


async def _drip(site: Site, sent: Wire, content: bytes) -> None:
    """Send byte after byte, each behind another call that was answered."""
    for byte in content:
        sent.send(bytes([byte]))
        await site.client.get_me()


async def test_f23_a_body_that_stops_is_408_and_the_end(impatient: Site) -> None:
    async with wire(impatient) as sent:
        token = f"Authorization: Bearer {impatient.token}\r\n".encode()
        sent.send(HEAD + token + b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
        status, code, head = await sent.everything()
    assert (status, code) == (408, "too_slow")
    assert b"connection: close" in head


async def test_f23_a_body_that_drips_is_no_faster(impatient: Site) -> None:
    async with wire(impatient) as sent:
        token = f"Authorization: Bearer {impatient.token}\r\n".encode()
        sent.send(HEAD + token + b"Content-Type: application/json\r\nContent-Length: 900\r\n\r\n")
        dripping = asyncio.create_task(_drip(impatient, sent, b" " * 900))
        assert (await sent.everything())[:2] == (408, "too_slow")
        dripping.cancel()


async def test_f23_a_body_that_goes_on_after_its_refusal_is_cut_off(impatient: Site) -> None:
    async with wire(impatient) as sent:
        sent.send(HEAD + b"Content-Length: 900\r\n\r\n")
        dripping = asyncio.create_task(_drip(impatient, sent, b" " * 900))
        assert await sent.status() == 401
        async with asyncio.timeout(WAIT_S):
            await sent._reader.read()
        dripping.cancel()


async def test_f23_a_connection_without_a_request_is_closed_without_a_word(
    impatient: Site,
) -> None:
    async with wire(impatient) as sent:
        assert await sent.everything() == (0, "", b"")


async def test_a_stream_may_be_open_for_longer_than_a_request_may_take(impatient: Site) -> None:
    async with impatient.client.watch_events() as events:
        async with wire(impatient) as sent:
            assert await sent.everything() == (0, "", b"")
        chat = await impatient.chat()
        async with asyncio.timeout(WAIT_S):
            assert (await anext(aiter(events)))[0].chat_id == chat.id


async def test_one_connection_too_many_of_an_address_is_429_and_frees_its_place(
    database_url: str,
) -> None:
    sockets = Sockets(per_address_max=6)
    async with open_site(database_url, sockets=sockets) as site:
        before = sockets.count
        async with AsyncExitStack() as held:
            for _ in range(6 - before):
                await held.enter_async_context(wire(site))
            await _until_open(site, sockets, 6)
            async with wire(site) as one_more:
                assert (await one_more.everything())[:2] == (429, "too_many_connections")
        await _until_open(site, sockets, before)
        async with wire(site) as next_one:
            next_one.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await next_one.status() == 200


async def _until_open(site: Site, sockets: Sockets, count: int) -> None:
    """Wait until the server has seen so many connections; calls to it let it look."""
    async with asyncio.timeout(WAIT_S):
        while sockets.count != count:
            await site.client.get_me()


async def test_one_connection_too_many_in_all_is_503_also_for_a_proxy(database_url: str) -> None:
    proxy = ip_network("127.0.0.0/8")
    sockets = Sockets(proxies=(proxy,), per_address_max=1, at_once_max=6)
    async with open_site(database_url, sockets=sockets) as site, AsyncExitStack() as held:
        for _ in range(6 - sockets.count):
            await held.enter_async_context(wire(site))
        await _until_open(site, sockets, 6)
        async with wire(site) as one_more:
            assert (await one_more.everything())[:2] == (503, "too_many_connections")


async def test_g7_a_flood_of_pings_is_closed_as_such(site: Site) -> None:
    url = site.url.replace("http", "ws", 1) + "/api/v1/agent/link"
    headers = {"Authorization": f"Bearer {site.agent_token}"}
    async with connect(url, additional_headers=headers, compression=None, proxy=None) as socket:
        for number in range(limits.LINK_PINGS_BURST_MAX + 1):
            await socket.ping(str(number))
        async with asyncio.timeout(WAIT_S):
            await socket.wait_closed()
        assert socket.close_code == POLICY


async def test_g7_pings_at_an_ordinary_rate_are_answered(site: Site) -> None:
    url = site.url.replace("http", "ws", 1) + "/api/v1/agent/link"
    headers = {"Authorization": f"Bearer {site.agent_token}"}
    async with connect(url, additional_headers=headers, compression=None, proxy=None) as socket:
        for _ in range(10):
            async with asyncio.timeout(WAIT_S):
                await (await socket.ping())
