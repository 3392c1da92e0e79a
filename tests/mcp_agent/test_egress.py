"""Which addresses a server may have: decided for the one that is connected to, at every request."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

import httpx2
import pytest

from driftpin import limits
from driftpin.agent.mcp_egress import EgressRefused, checked_client, may_reach
from driftpin.agent.mcp_engine import McpEngine
from driftpin.agent.mcp_memory import CatalogueFile
from driftpin.agent.mcp_session import Surroundings
from driftpin.clock import SystemClock
from mcp_agent.conftest import KEY, Bench, approvals_of, state_of
from mcp_agent.remote import Remote, open_remote


@dataclass
class Names:
    """A name service that gives its answers one after the other, the last for ever."""

    answers: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class Site:
    """A server of our own that answers every request in one way, and counts them."""

    answer: bytes
    requests: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        writer.write(self.answer)
        writer.close()


@asynccontextmanager
async def open_site(answer: bytes, host: str = "127.0.0.1") -> AsyncIterator[Site]:
    site = Site(answer)
    async with await asyncio.start_server(site.serve, host, 0) as server:
        site.port = server.sockets[0].getsockname()[1]
        yield site


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    head = "\r\n".join((f"HTTP/1.1 {status}", "connection: close", *headers))
    return f"{head}\r\n\r\n".encode() + body


@asynccontextmanager
async def running(
    bench: Bench, remote: Remote, names: Names, *, allows_private: bool
) -> AsyncIterator[McpEngine]:
    """Give an engine that knows `server.test` by these names alone."""
    found = remote.found("server.test")
    engine = McpEngine(
        Surroundings(bench.directory, bench.environment, names.resolve),
        CatalogueFile(bench.directory / "catalogues.json"),
        KEY,
        clock=SystemClock(),
        on_change=bench.changed.set,
    )
    working = asyncio.create_task(engine.run())
    engine.list_servers((found,))
    engine.approve(approvals_of(found, allows_private=allows_private))
    try:
        yield engine
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def addresses() -> Iterator[tuple[str, str]]:
    never = (
        "169.254.169.254 fe80::1 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe fd00:ec2::254 "
        "100.100.100.200 168.63.129.16 0.0.0.0 :: 224.0.0.1 ff02::1 255.255.255.255 240.0.0.1 "
        "100.64.0.1"
    )
    private = (
        "127.0.0.1 ::1 10.0.0.1 172.16.0.1 192.168.1.1 fd00::1 fec0::1 ::ffff:127.0.0.1 "
        "2002:7f00:1:: 64:ff9b::7f00:1 ::127.0.0.1 198.18.0.1"
    )
    public = "8.8.8.8 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808"
    for kind, listed in (("never", never), ("private", private), ("public", public)):
        for text in listed.split():
            yield kind, text


@pytest.mark.parametrize(("kind", "text"), list(addresses()))
def test_d12_d13_d14_what_an_address_may_be(kind: str, text: str) -> None:
    found = [may_reach(ip_address(text), allows_private=allowed) for allowed in (False, True)]
    expected = {"never": [False, False], "private": [False, True], "public": [True, True]}
    assert found == expected[kind]


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::1]", "localhost"],
)
async def test_d14_however_the_loopback_address_is_written_nothing_is_connected_to(
    host: str,
) -> None:
    async with open_site(answer("200 OK")) as site:
        async with checked_client(headers={}, allows_private=False) as client:
            with pytest.raises(EgressRefused):
                await client.get(f"http://{host}:{site.port}/")
        assert site.requests == 0


@pytest.mark.parametrize("host", ["0177.0.0.1", "0x7f000001", "[::ffff:7f00:1]"])
@pytest.mark.parametrize("kind", ["http", "sse"])
async def test_d14_a_server_at_an_odd_address_is_blocked(
    bench: Bench, host: str, kind: str
) -> None:
    found = Remote(kind, 9).found(host)
    async with bench.running(found) as engine:
        await bench.until(lambda: state_of(engine).state == "failed")
        assert state_of(engine).reason == "blocked/egress"


@pytest.mark.parametrize(
    ("address", "allows_private"),
    [
        pytest.param("169.254.169.254", False, id="d12"),
        pytest.param("169.254.169.254", True, id="d12-approved"),
        pytest.param("127.0.0.1", False, id="d13"),
    ],
)
async def test_d12_d13_a_server_whose_name_leads_to_such_an_address_is_blocked(
    bench: Bench, address: str, allows_private: bool
) -> None:
    names = Names([(address,)])
    async with running(bench, Remote("http", 9), names, allows_private=allows_private) as engine:
        await bench.until(lambda: state_of(engine).state == "failed")
        assert state_of(engine).reason == "blocked/egress"
    assert set(names.asked) == {"server.test"}


async def test_d13_approved_with_it_a_private_address_is_reached_and_a_bad_one_passed_over(
    bench: Bench,
) -> None:
    async with open_remote("sse") as remote:
        names = Names([("169.254.169.254", "127.0.0.1")])
        async with running(bench, remote, names, allows_private=True) as engine:
            # The server's own check of the Host header wants another name.
            await bench.until(lambda: state_of(engine).state == "failed")
            assert state_of(engine).reason == "start_failed/refused"


@pytest.mark.parametrize("kind", ["http", "sse"])
async def test_d15_a_redirect_to_another_host_is_not_followed(bench: Bench, kind: str) -> None:
    async with open_site(answer("200 OK"), "127.0.0.2") as other:
        moved = answer("307 Moved", f"location: http://127.0.0.2:{other.port}/mcp")
        async with open_site(moved) as site:
            names = Names([("127.0.0.1",)])
            remote = Remote(kind, site.port)
            async with running(bench, remote, names, allows_private=True) as engine:
                await bench.until(lambda: state_of(engine).state == "failed")
            assert site.requests > 0
        assert other.requests == 0


async def test_d15_d16_each_request_is_checked_anew_and_goes_to_the_address_that_was_checked(
    bench: Bench,
) -> None:
    async with open_site(answer("307 Moved", "location: /again")) as site:
        names = Names([("127.0.0.1",), ("169.254.169.254",)])
        remote = Remote("sse", site.port)
        async with running(bench, remote, names, allows_private=True) as engine:
            await bench.until(lambda: state_of(engine).state == "failed")
            assert state_of(engine).reason == "blocked/egress"
        assert site.requests == 1
        assert len(names.asked) == 2


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        pytest.param((), b"x" * limits.MIB, "", id="fits"),
        pytest.param((), b"x" * (limits.MCP_LINE_BYTES_MAX + 1), "too large", id="too-large"),
        pytest.param(("content-encoding: gzip",), b"\x1f\x8b", "packed", id="packed"),
    ],
)
async def test_x39_the_body_of_an_answer_has_an_end(
    headers: tuple[str, ...], body: bytes, expected: str
) -> None:
    async with (
        open_site(answer("200 OK", *headers, body=body)) as site,
        checked_client(headers={}, allows_private=True) as client,
    ):
        url = f"http://127.0.0.1:{site.port}/"
        if not expected:
            assert (await client.get(url)).content == body
            return
        with pytest.raises(httpx2.StreamError, match=expected):
            await client.get(url)
