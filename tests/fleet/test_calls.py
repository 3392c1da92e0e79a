"""Calls to agents from every replica, whichever holds the link."""

import asyncio
from functools import partial

import pytest
from sqlalchemy import select

from driftpin import limits
from driftpin.client import Client
from driftpin.credentials import read_token
from driftpin.errors import Unavailable
from driftpin.identity import NOBODY, AgentId
from driftpin.store.store import Store
from driftpin.store.tables import agent_calls, audit
from driftpin.wire.link import CLOSE_FENCED, CLOSE_GONE, CLOSE_REVOKED
from fleet.pair import Pair, answer, is_connected, linked, receive_call, until


async def states_of(store: Store) -> list[tuple[str, str | None]]:
    async with store.database.read() as connection:
        rows = await connection.execute(
            select(agent_calls.c.state, agent_calls.c.error_code).order_by(agent_calls.c.id)
        )
        return [(row.state, row.error_code) for row in rows]


async def test_every_replica_knows_whether_an_agent_is_connected(pair: Pair) -> None:
    clients = (pair.first.client, pair.second.client)
    async with linked(pair.first.url, pair.first.agent_token):
        for client in clients:
            await until(partial(is_connected, client, pair.first.agent_id))

    async def is_away(client: Client) -> bool:
        return not await is_connected(client, pair.first.agent_id)

    for client in clients:
        await until(partial(is_away, client))
    assert (await clients[1].get_agent(pair.first.agent_id)).seen_at is not None


@pytest.mark.parametrize("linked_to", ["first", "second"])
async def test_a_call_reaches_the_agent_from_every_replica(pair: Pair, linked_to: str) -> None:
    url = pair.first.url if linked_to == "first" else pair.second.url
    async with linked(url, pair.first.agent_token) as socket:
        await until(lambda: is_connected(pair.first.client, pair.first.agent_id))
        for client in (pair.first.client, pair.second.client):
            asking = asyncio.create_task(client.resync_agent(pair.first.agent_id))
            call = await receive_call(socket)
            assert call["method"] == "resync"
            await answer(socket, call, {})
            assert (await asking).id == pair.first.agent_id
    store = pair.second.server.services.store
    assert await states_of(store) == [("done", None), ("done", None)]
    async with store.database.read() as connection:
        actions = (await connection.execute(select(audit.c.action))).scalars().all()
    assert actions.count("ask_agent") == 2


async def test_d43_a_call_to_an_agent_that_is_away_is_refused_at_once(pair: Pair) -> None:
    for client in (pair.first.client, pair.second.client):
        with pytest.raises(Unavailable) as caught:
            await client.resync_agent(pair.first.agent_id)
        assert caught.value.code == "agent_offline"
        assert caught.value.fields["retry_after_s"] == limits.AGENT_OFFLINE_RETRY_S
    assert await states_of(pair.first.server.services.store) == []


async def test_more_calls_than_an_agent_takes_are_refused_on_every_replica(pair: Pair) -> None:
    async with linked(pair.first.url, pair.first.agent_token) as socket:
        await until(lambda: is_connected(pair.second.client, pair.first.agent_id))
        asking = [
            asyncio.create_task(client.resync_agent(pair.first.agent_id))
            for client in (pair.first.client, pair.second.client)
            for _ in range(limits.LINK_CALLS_IN_FLIGHT_MAX // 2)
        ]
        calls = [await receive_call(socket) for _ in asking]
        with pytest.raises(Unavailable) as caught:
            await pair.second.client.resync_agent(pair.first.agent_id)
        assert caught.value.code == "agent_busy"
        for call in calls:
            await answer(socket, call, {})
        await asyncio.gather(*asking)
    assert {call["id"] for call in calls} == set(range(1, len(asking) + 1))


async def test_a_call_whose_agent_left_in_between_is_unknown_and_does_not_run_again(
    pair: Pair,
) -> None:
    async with linked(pair.first.url, pair.first.agent_token) as socket:
        await until(lambda: is_connected(pair.second.client, pair.first.agent_id))
        asking = asyncio.create_task(pair.second.client.resync_agent(pair.first.agent_id))
        await receive_call(socket)
    with pytest.raises(Unavailable) as caught:
        await asking
    assert caught.value.code == "call_unknown"
    assert await states_of(pair.first.server.services.store) == [("unknown", "call_unknown")]
    async with linked(pair.second.url, pair.first.agent_token) as socket:
        await until(lambda: is_connected(pair.second.client, pair.first.agent_id))
        asking = asyncio.create_task(pair.first.client.resync_agent(pair.first.agent_id))
        # The first thing that comes is the new call, not the old one.
        await answer(socket, await receive_call(socket), {})
        await asking
    assert [state for state, _ in await states_of(pair.first.server.services.store)] == [
        "unknown",
        "done",
    ]


async def test_a_call_that_the_asker_leaves_alone_still_ends(pair: Pair) -> None:
    services = pair.first.server.services
    async with linked(pair.first.url, pair.first.agent_token) as socket:
        await until(lambda: is_connected(pair.first.client, pair.first.agent_id))
        actor = await services.store.resolve_token(
            NOBODY, read_token(pair.first.token).secret_digest
        )
        asking = asyncio.create_task(
            services.calls.call(actor, AgentId(pair.first.agent_id), "ping", {})
        )
        call = await receive_call(socket)
        asking.cancel()
        await asyncio.wait({asking})
        await answer(socket, call, {})

        async def is_done() -> bool:
            return await states_of(services.store) == [("done", None)]

        await until(is_done)


async def test_a_newer_run_that_said_hello_elsewhere_closes_the_link(pair: Pair) -> None:
    first = await pair.first.hello("one")
    async with linked(pair.second.url, pair.first.agent_token, first) as socket:
        await until(lambda: is_connected(pair.first.client, pair.first.agent_id))
        await pair.first.hello("two")
        async with asyncio.timeout(5):
            await socket.wait_closed()
        assert socket.close_code == CLOSE_FENCED


async def test_a_newer_link_elsewhere_closes_the_one_before_it(pair: Pair) -> None:
    async with linked(pair.second.url, pair.first.agent_token) as earlier:
        await until(lambda: is_connected(pair.first.client, pair.first.agent_id))
        async with linked(pair.first.url, pair.first.agent_token):
            async with asyncio.timeout(5):
                await earlier.wait_closed()
            assert earlier.close_code == CLOSE_FENCED
            await until(lambda: is_connected(pair.second.client, pair.first.agent_id))


async def test_an_agent_that_is_deleted_elsewhere_loses_its_link(pair: Pair) -> None:
    async with linked(pair.second.url, pair.first.agent_token) as socket:
        await until(lambda: is_connected(pair.first.client, pair.first.agent_id))
        await pair.first.client.delete_agent(pair.first.agent_id)
        async with asyncio.timeout(5):
            await socket.wait_closed()
        assert socket.close_code == CLOSE_GONE


async def test_a_token_that_is_revoked_elsewhere_ends_its_link(pair: Pair) -> None:
    async with linked(pair.second.url, pair.first.agent_token) as socket:
        await until(lambda: is_connected(pair.first.client, pair.first.agent_id))
        tokens = await pair.first.client.list_tokens()
        token = next(each for each in tokens if each.kind == "agent")
        await pair.first.client.revoke_token(token.id)
        async with asyncio.timeout(5):
            await socket.wait_closed()
        assert socket.close_code == CLOSE_REVOKED
