"""H9: two live agents with one token."""

from itertools import count

import pytest

from driftpin import limits
from driftpin.credentials import read_token
from driftpin.errors import Forbidden, Unauthenticated
from driftpin.identity import NOBODY, WORKER, Actor
from driftpin.operations.hold_link import hold_link
from driftpin.operations.rotate_agent_token import rotate_agent_token
from driftpin.operations.say_hello import say_hello
from driftpin.operations.store_blobs import store_blobs
from driftpin.store.store import Store
from people import People
from pushing import Pusher
from stepping import SteppedClock

RUNS = count()


async def begin_run(store: Store, agent: Actor, *, hostname: str = "laptop") -> None:
    await say_hello(
        store,
        agent,
        run_id=f"run-{next(RUNS)}",
        hostname=hostname,
        os="linux",
        version="1",
        roots={"workspace": "/code"},
    )


async def flap(store: Store, agent: Actor) -> None:
    """Take over as often as it is allowed."""
    await begin_run(store, agent, hostname="host-0")
    for number in range(limits.TAKE_OVERS_MAX):
        await begin_run(store, agent, hostname=f"host-{(number + 1) % 2}")


async def expect_locked(store: Store, agent: Actor) -> None:
    with pytest.raises(Forbidden) as locked:
        await begin_run(store, agent, hostname="another")
    assert locked.value.code == "agent_locked"


async def test_h9_two_agents_that_take_over_from_each_other_are_locked_and_the_owner_sees_it(
    store: Store, people: People, clock: SteppedClock
) -> None:
    assert people.agent.agent_id is not None
    await flap(store, people.agent)
    assert (await store.get_agent(people.owner, people.agent.agent_id)).locked_at is None
    await expect_locked(store, people.agent)
    shown = await store.get_agent(people.owner, people.agent.agent_id)
    assert shown.locked_at == clock.now()
    assert shown.incarnation == limits.TAKE_OVERS_MAX + 1
    with pytest.raises(Forbidden):
        await Pusher(store, people.agent, seq=5).push(AGENTS="x")
    with pytest.raises(Forbidden):
        await store_blobs(store, people.agent, [])


async def test_h9_take_overs_that_are_far_apart_do_not_count(
    store: Store, people: People, clock: SteppedClock
) -> None:
    for number in range(4 * limits.TAKE_OVERS_MAX):
        await begin_run(store, people.agent, hostname=f"host-{number}")
        clock.step(limits.TAKE_OVERS_COUNTED_S / limits.TAKE_OVERS_MAX + 1)


async def test_h9_an_agent_that_crashes_again_and_again_is_not_locked(
    store: Store, people: People
) -> None:
    for _ in range(4 * limits.TAKE_OVERS_MAX):
        await begin_run(store, people.agent)


async def test_h9_two_that_look_alike_are_told_apart_by_the_link_that_is_up(
    store: Store, people: People
) -> None:
    await begin_run(store, people.agent)
    await hold_link(store, people.agent, incarnation=1, holder="here", lease_s=60)
    for _ in range(limits.TAKE_OVERS_MAX):
        await begin_run(store, people.agent)
    with pytest.raises(Forbidden):
        await begin_run(store, people.agent)


async def test_h9_a_new_token_unlocks_and_those_that_were_shared_end_at_once(
    store: Store, people: People
) -> None:
    agent_id = people.agent.agent_id
    assert agent_id is not None
    _, shared = await rotate_agent_token(store, people.owner, agent_id)
    await flap(store, people.agent)
    await expect_locked(store, people.agent)
    _, secret = await rotate_agent_token(store, people.owner, agent_id)
    renewed = await store.resolve_token(NOBODY, read_token(secret).secret_digest)
    for number in range(limits.TAKE_OVERS_MAX):
        await begin_run(store, renewed, hostname=f"host-{number}")
    with pytest.raises(Unauthenticated):
        await store.resolve_token(NOBODY, read_token(shared).secret_digest)
    assert (await store.get_agent(WORKER, agent_id)).locked_at is None
