"""The link of a workspace agent, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from driftpin import limits
from driftpin.errors import Unavailable
from driftpin.wire.link import CLOSE_BAD_MESSAGE, CLOSE_FENCED, CLOSE_NOT_BINARY, INCARNATION_HEADER
from served import Site

WAIT_S = 5.0
CLOSE_TOO_LARGE = 1009


@asynccontextmanager
async def linked(
    site: Site, *, token: str | None = None, incarnation: int | None = None, **headers: str
) -> AsyncIterator[ClientConnection]:
    sent = {"Authorization": f"Bearer {token or site.agent_token}", **headers}
    if incarnation is not None:
        sent[INCARNATION_HEADER] = str(incarnation)
    url = site.url.replace("http", "ws", 1) + "/api/v1/agent/link"
    async with connect(url, additional_headers=sent, compression=None, proxy=None) as socket:
        yield socket


async def refusal(site: Site, **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as caught:
        async with linked(site, **options):
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body)["code"]


async def closed_with(socket: ClientConnection) -> int | None:
    async with asyncio.timeout(WAIT_S):
        await socket.wait_closed()
    return socket.close_code


async def until(site: Site, is_so: Callable[[bool], bool]) -> None:
    """Wait until the agent is shown as connected, or as not."""
    async with asyncio.timeout(WAIT_S):
        while not is_so((await site.client.get_agent(site.agent_id)).is_connected):
            continue


async def answer_one(socket: ClientConnection, **reply: object) -> dict[str, Any]:
    call: dict[str, Any] = msgspec.msgpack.decode(await socket.recv(decode=False))
    await socket.send(msgspec.msgpack.encode({"jsonrpc": "2.0", "id": call["id"], **reply}))
    return call


async def test_a_link_shows_that_its_agent_lives_and_that_it_left(site: Site) -> None:
    async with linked(site):
        await until(site, lambda is_connected: is_connected)
    await until(site, lambda is_connected: not is_connected)
    assert (await site.client.get_agent(site.agent_id)).seen_at is not None


async def test_a_call_goes_to_the_agent_and_its_answer_comes_back(site: Site) -> None:
    async with linked(site) as socket:
        await until(site, lambda is_connected: is_connected)
        answering = asyncio.create_task(answer_one(socket, result={}))
        agent = await site.client.resync_agent(site.agent_id)
        assert (await answering)["method"] == "resync"
        assert agent.id == site.agent_id


async def test_what_the_agent_refuses_is_raised_with_its_code(site: Site) -> None:
    async with linked(site) as socket:
        await until(site, lambda is_connected: is_connected)
        error = {"code": -32000, "message": "busy", "data": {"code": "call_timeout"}}
        answering = asyncio.create_task(answer_one(socket, error=error))
        with pytest.raises(Unavailable) as caught:
            await site.client.resync_agent(site.agent_id)
        await answering
    assert caught.value.code == "call_timeout"


async def test_a_call_to_an_agent_that_is_not_there_is_offline(site: Site) -> None:
    with pytest.raises(Unavailable) as caught:
        await site.client.resync_agent(site.agent_id)
    assert caught.value.code == "agent_offline"


async def test_a_call_under_way_fails_when_the_agent_leaves(site: Site) -> None:
    async with linked(site) as socket:
        await until(site, lambda is_connected: is_connected)
        calling = asyncio.create_task(site.client.resync_agent(site.agent_id))
        await socket.recv()
    with pytest.raises(Unavailable) as caught:
        await calling
    assert caught.value.code == "call_unknown"


async def test_e10_a_newer_run_closes_the_link_of_an_older_one(site: Site) -> None:
    first = await site.hello("one")
    async with linked(site, incarnation=first) as socket:
        await until(site, lambda is_connected: is_connected)
        await site.hello("two")
        assert await closed_with(socket) == CLOSE_FENCED


async def test_a_link_of_an_older_run_is_fenced(site: Site) -> None:
    first = await site.hello("one")
    await site.hello("two")
    assert await refusal(site, incarnation=first) == (409, "fenced")


async def test_a_second_link_closes_the_first(site: Site) -> None:
    async with linked(site) as first:
        await until(site, lambda is_connected: is_connected)
        async with linked(site):
            assert await closed_with(first) == CLOSE_FENCED
            await until(site, lambda is_connected: is_connected)


async def test_h2_h4_who_is_not_the_agent_gets_no_link(site: Site) -> None:
    assert await refusal(site, token="x") == (401, "unauthenticated")
    assert await refusal(site, token=site.token) == (403, "wrong_token_type")


@pytest.mark.parametrize("header", ["Origin", "Cookie"])
async def test_g9_a_browser_gets_no_link(site: Site, header: str) -> None:
    assert await refusal(site, **{header: "http://evil.test"}) == (403, "browser_refused")


async def test_g5_text_on_the_link_is_closed_as_such(site: Site) -> None:
    async with linked(site) as socket:
        await socket.send("text")
        assert await closed_with(socket) == CLOSE_NOT_BINARY


@pytest.mark.parametrize("message", [b"", b"\xc1", b"\x91" * 100_000, b"\x01"])
async def test_what_is_no_answer_closes_the_link(site: Site, message: bytes) -> None:
    async with linked(site) as socket:
        await socket.send(message)
        assert await closed_with(socket) == CLOSE_BAD_MESSAGE


async def test_e27_g6_a_message_over_its_cap_closes_the_link(site: Site) -> None:
    async with linked(site) as socket:
        # The head of a masked binary frame that claims one byte too many is enough.
        claimed = (limits.LINK_MESSAGE_BYTES_MAX + 1).to_bytes(8, "big")
        socket.transport.write(b"\x82\xff" + claimed + b"mask")
        assert await closed_with(socket) == CLOSE_TOO_LARGE


async def test_an_answer_to_nothing_is_ignored(site: Site) -> None:
    async with linked(site) as socket:
        await socket.send(msgspec.msgpack.encode({"jsonrpc": "2.0", "id": 7, "result": None}))
        answering = asyncio.create_task(answer_one(socket, result={}))
        await until(site, lambda is_connected: is_connected)
        await site.client.resync_agent(site.agent_id)
        await answering
