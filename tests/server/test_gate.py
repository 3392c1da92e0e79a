"""What is counted at the door (spec/bad-input.md G8, H7, H8; spec/trust.md T27)."""

from contextlib import AsyncExitStack

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from door import Door, problem_of
from driftpin import limits
from driftpin.credentials import TokenKind, mint_token
from driftpin.errors import RateLimited
from driftpin.identity import WORKER, AgentId, WorkspaceId, agent_actor
from driftpin.operations.create_user_token import create_user_token
from driftpin.operations.revoke_token import revoke_token
from driftpin.operations.rotate_agent_token import rotate_agent_token
from driftpin.server.rates import Rate, Rates
from driftpin.store.database import Database
from served import Site
from stepping import SteppedClock


async def _with(door: Door, token: str) -> httpx2.Response:
    return await door.http.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})


async def _guess(door: Door, count: int) -> None:
    for number in range(count):
        guess = mint_token(TokenKind.USER)[0] if number % 2 else "dp_u_nothing"
        assert problem_of(await _with(door, guess)) == (401, "unauthenticated")


def _without_database(door: Door, database: Database) -> None:
    """Take the database away: whatever asks it from here on answers 503."""
    door.services.store.database = Database(
        "postgresql://nobody@127.0.0.1:1/none", clock=door.services.clock, ids=database._ids
    )


async def test_h7_many_bad_tokens_from_an_address_are_429_without_a_look_up(
    door: Door, database: Database
) -> None:
    await _guess(door, limits.BAD_CREDENTIALS_BURST_MAX)
    _without_database(door, database)
    for guess in (mint_token(TokenKind.USER)[0], mint_token(TokenKind.AGENT)[0], "dp_u_nothing"):
        refused = await _with(door, guess)
        assert problem_of(refused) == (429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= limits.RETRY_AFTER_LONGEST_S
    assert problem_of(await door.http.get("/api/v1/me")) == (401, "unauthenticated")
    await database.close()


async def test_h7_whoever_was_let_in_before_is_not_locked_out_by_a_neighbour(door: Door) -> None:
    token = await door.token_of(door.people.owner)
    assert (await _with(door, token)).status_code == 200
    await _guess(door, limits.BAD_CREDENTIALS_BURST_MAX)
    assert problem_of(await _with(door, "dp_u_nothing")) == (429, "rate_limited")
    assert (await _with(door, token)).status_code == 200


async def test_h7_a_token_that_was_revoked_is_a_bad_one_at_once(door: Door) -> None:
    store, owner = door.services.store, door.people.owner
    row, token = await create_user_token(store, WORKER, door.people.owner_id, "short")
    assert (await _with(door, token)).status_code == 200
    await revoke_token(store, owner, row.id)
    assert problem_of(await _with(door, token)) == (401, "unauthenticated")
    await _guess(door, limits.BAD_CREDENTIALS_BURST_MAX - 1)
    assert problem_of(await _with(door, token)) == (429, "rate_limited")


async def test_h7_guessing_may_go_on_slowly(door: Door, clock: SteppedClock) -> None:
    await _guess(door, limits.BAD_CREDENTIALS_BURST_MAX)
    clock.step(1 / limits.BAD_CREDENTIALS_PER_SECOND_MAX)
    await _guess(door, 1)
    assert problem_of(await _with(door, "dp_u_nothing")) == (429, "rate_limited")


async def test_h8_a_rotated_token_is_good_for_its_grace_and_not_after(
    door: Door, clock: SteppedClock
) -> None:
    agent, store = door.people.agent, door.services.store
    old = await door.token_of(agent)
    _, new = await rotate_agent_token(store, door.people.owner, door.people.agent_id)
    hello = {"run_id": "run"}

    async def with_token(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return (
            await door.http.post("/api/v1/agent/hello", json=hello, headers=headers)
        ).status_code

    clock.step(limits.ROTATED_TOKEN_GRACE_S - 1)
    assert (await with_token(old), await with_token(new)) == (200, 200)
    clock.step(1)
    assert (await with_token(old), await with_token(new)) == (401, 200)


async def test_too_many_calls_of_one_caller_are_429_and_others_go_on(
    door: Door, clock: SteppedClock
) -> None:
    gate, people = door.services.gate, door.people
    for _ in range(limits.CALLS_BURST_MAX):
        gate.count_call(people.owner)
    assert problem_of(await door.get(people.owner, "/me")) == (429, "rate_limited")
    assert (await door.get(people.other, "/me")).status_code == 200
    clock.step(1)
    assert (await door.get(people.owner, "/me")).status_code == 200


def test_what_is_remembered_of_callers_is_bounded(clock: SteppedClock) -> None:
    rates = Rates(clock, Rate(2, 1), "slow down")
    rates.take("first")
    for number in range(limits.CALLERS_REMEMBERED_MAX):
        rates.take(f"caller {number}")
    assert len(rates._buckets) == limits.CALLERS_REMEMBERED_MAX
    rates.take("caller 9999")
    with pytest.raises(RateLimited):
        rates.take("caller 9999")


async def test_g8_one_stream_too_many_is_429_and_frees_its_place(site: Site) -> None:
    gate, me = site.server.services.gate, (await site.client.get_me()).user
    async with AsyncExitStack() as streams:
        for _ in range(2):
            await streams.enter_async_context(site.client.watch_events())
        name = f"user:{me.id}"
        gate._streams[name] = limits.STREAMS_PER_CALLER_MAX
        with pytest.raises(RateLimited) as caught:
            await streams.enter_async_context(site.client.watch_events())
        assert caught.value.code == "too_many_streams"
        chat = await site.chat()
        with pytest.raises(RateLimited):
            await streams.enter_async_context(site.client.watch_chat(chat.id))
        gate._streams[name] = 2
    async with site.client.watch_events():
        assert gate._streams[name] == 1


async def test_g8_one_link_too_many_is_429(site: Site) -> None:
    gate = site.server.services.gate
    agent = agent_actor(AgentId(site.agent_id), WorkspaceId(site.workspace_id))
    url = site.url.replace("http", "ws", 1) + "/api/v1/agent/link"
    headers = {"Authorization": f"Bearer {site.agent_token}"}
    gate._streams[agent.name] = limits.STREAMS_PER_CALLER_MAX
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, additional_headers=headers, compression=None, proxy=None):
            pass
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "1"
