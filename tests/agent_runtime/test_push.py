import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from agent_runtime.world import (
    WAIT_S,
    CountedWaits,
    RuleKeepingServer,
    SteppedClock,
    state_with,
)
from driftpin import limits
from driftpin.agent.push import Pusher
from driftpin.agent.waiting import Backoff
from driftpin.context.resource import Observations
from driftpin.errors import (
    DriftpinError,
    Gone,
    PushOutdated,
    RateLimited,
    Rejected,
    TooLarge,
    Unavailable,
    Unreachable,
)
from driftpin.identity import digest_of
from driftpin.wire.agent import HeadShape, HelloRequest


class World:
    def __init__(self) -> None:
        self.server = RuleKeepingServer()
        self.clock = SteppedClock()
        self.waits = CountedWaits()
        self.on_ask: Callable[[], object] = bool
        self.pusher = self.new_pusher("run-1")

    def new_pusher(self, run_id: str) -> Pusher:
        return Pusher(
            self.server,
            HelloRequest(run_id=run_id),
            clock=self.clock,
            ask_for_pass=self.ask,
            backoff=Backoff(lambda: 0.5),
            waiter=self.waits,
        )

    def ask(self) -> None:
        self.on_ask()


@pytest.fixture
def world() -> World:
    return World()


@asynccontextmanager
async def pushing(pusher: Pusher) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(pusher.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def delivered(pusher: Pusher, pass_number: int) -> str:
    async with asyncio.timeout(WAIT_S):
        return (await pusher.delivered.wait(pass_number)).result


async def test_the_first_state_is_pushed_with_its_bytes(world: World) -> None:
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        assert await delivered(world.pusher, 1) == "accepted"
    assert (world.server.hellos, world.server.uploads) == (1, [])
    assert world.server.blobs == {digest_of(b"one"): b"one"}
    assert [(push.incarnation, push.seq) for push in world.server.pushes] == [(1, 1)]


async def test_an_unchanged_state_is_not_pushed(world: World) -> None:
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        await delivered(world.pusher, 1)
        world.pusher.offer(state_with(2, b"one"))
        assert await delivered(world.pusher, 2) == "unchanged"
    assert len(world.server.pushes) == 1


async def test_an_unchanged_state_that_was_asked_for_is_pushed(world: World) -> None:
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        await delivered(world.pusher, 1)
        world.pusher.offer(state_with(2, b"one", was_asked_for=True))
        assert await delivered(world.pusher, 2) == "unchanged"
    assert world.server.results == ["accepted", "unchanged"]


async def test_observations_alone_are_pushed_every_few_seconds_at_most(world: World) -> None:
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        await delivered(world.pusher, 1)
        world.waits.on_wait = world.clock.step
        world.pusher.offer(state_with(2, b"one", observations=Observations(degraded="x")))
        assert await delivered(world.pusher, 2) == "unchanged"
    assert world.waits.waits_s == [float(limits.OBSERVATIONS_PUSH_INTERVAL_S)]
    assert world.server.pushes[-1].observations["degraded"] == "x"


async def test_only_the_newest_of_several_states_is_sent(world: World) -> None:
    for number in range(1, 5):
        world.pusher.offer(state_with(number, b"%d" % number))
    async with pushing(world.pusher):
        await delivered(world.pusher, 4)
    assert len(world.server.pushes) == 1
    assert world.server.head is not None
    assert world.server.head.digest == state_with(4, b"4").snapshot.digest


async def test_known_bytes_do_not_travel_again(world: World) -> None:
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one", b"two"))
        await delivered(world.pusher, 1)
        world.pusher.offer(state_with(2, b"one", b"three"))
        await delivered(world.pusher, 2)
    assert [blob.digest for blob in world.server.pushes[-1].blobs] == [digest_of(b"three")]


async def test_many_bytes_travel_ahead_of_the_push_in_batches(world: World) -> None:
    bodies = [bytes([number]) * limits.SKILL_FILE_BYTES_MAX for number in range(20)]
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1))
        await delivered(world.pusher, 1)
        world.pusher.offer(state_with(2, *bodies))
        await delivered(world.pusher, 2)
    assert world.server.uploads == [8, 8, 4]
    assert world.server.results == ["accepted", "accepted"]
    assert world.server.pushes[-1].blobs == ()


async def test_at_the_first_push_only_missing_bytes_travel(world: World) -> None:
    bodies = [bytes([number]) * limits.SKILL_FILE_BYTES_MAX for number in range(4)]
    world.server.blobs = {digest_of(body): body for body in bodies[:3]}
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, *bodies))
        await delivered(world.pusher, 1)
    assert world.server.results == ["need_blobs", "accepted"]
    assert world.server.uploads == [1]


async def test_bytes_that_changed_meanwhile_ask_for_another_pass(world: World) -> None:
    world.on_ask = lambda: world.pusher.offer(state_with(2, b"two"))
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one", are_bytes_gone=True))
        assert await delivered(world.pusher, 2) == "accepted"
    assert world.server.results == ["accepted"]


async def test_x25_a_lost_answer_is_repaired_by_a_duplicate(world: World) -> None:
    world.server.lost_answers = 1
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        assert await delivered(world.pusher, 1) == "duplicate"
    assert [push.seq for push in world.server.pushes] == [1, 1]


async def test_e7_a_number_never_stands_for_two_contents(world: World) -> None:
    world.server.lost_answers = 1
    async with pushing(world.pusher):
        world.waits.on_wait = lambda _wait_s: world.pusher.offer(state_with(2, b"two"))
        world.pusher.offer(state_with(1, b"one"))
        assert await delivered(world.pusher, 2) == "accepted"
    assert [push.seq for push in world.server.pushes] == [1, 2]


@pytest.mark.parametrize("code", ["stale", "seq_conflict"])
async def test_e8_a_stale_push_adopts_the_servers_number_and_is_sent_again_at_once(
    world: World, code: str
) -> None:
    world.server.failures.append(PushOutdated(code=code, seq=41, incarnation=1))
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        assert await delivered(world.pusher, 1) == "accepted"
    assert [push.seq for push in world.server.pushes] == [1, 42]
    assert world.waits.waits_s == []


async def test_a_push_before_hello_says_hello_and_is_sent_again(world: World) -> None:
    world.server.failures.append(PushOutdated(code="hello_required"))
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        assert await delivered(world.pusher, 1) == "accepted"
    assert world.server.hellos == 2


async def test_refusals_without_an_end_wait_between_tries(world: World) -> None:
    stale = [
        PushOutdated(code="stale", seq=n, incarnation=1) for n in range(limits.PUSH_REPAIRS_MAX + 1)
    ]
    world.server.failures.extend(stale)
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        assert await delivered(world.pusher, 1) == "accepted"
    assert len(world.waits.waits_s) == 1


async def test_e10_a_fenced_agent_stops(world: World) -> None:
    async with pushing(world.pusher) as older:
        world.pusher.offer(state_with(1, b"one"))
        await delivered(world.pusher, 1)
        newer = world.new_pusher("run-2")
        async with pushing(newer):
            newer.offer(state_with(1, b"two"))
            await delivered(newer, 1)
        world.pusher.offer(state_with(2, b"three"))
        with pytest.raises(PushOutdated) as fenced:
            await asyncio.wait_for(older, WAIT_S)
    assert fenced.value.code == "fenced"
    assert world.server.head is not None
    assert world.server.head.digest == state_with(1, b"two").snapshot.digest


async def test_e24_an_agent_that_is_gone_stops(world: World) -> None:
    world.server.failures.append(Gone(code="agent_gone"))
    async with pushing(world.pusher) as task:
        world.pusher.offer(state_with(1, b"one"))
        with pytest.raises(Gone):
            await asyncio.wait_for(task, WAIT_S)
    assert len(world.server.pushes) == 1


@pytest.mark.parametrize("refusal", [Rejected(code="bad_source"), TooLarge()], ids=["422", "413"])
async def test_a_state_refused_for_good_never_blocks_a_later_one(
    world: World, refusal: DriftpinError
) -> None:
    world.server.failures.append(refusal)
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"bad"))
        with pytest.raises(type(refusal)):
            await delivered(world.pusher, 1)
        assert refusal.code in world.pusher.failure
        world.pusher.offer(state_with(2, b"bad"))
        world.pusher.offer(state_with(3, b"good"))
        assert await delivered(world.pusher, 3) == "accepted"
    assert (world.server.results, world.waits.waits_s) == ([refusal.code, "accepted"], [])
    assert world.pusher.failure == ""


@pytest.mark.parametrize(
    "refusal",
    [Unavailable(code="sync_paused"), Unreachable(), DriftpinError(code="odd")],
    ids=["paused", "network", "unknown"],
)
async def test_what_passes_is_tried_again_with_growing_waits(
    world: World, refusal: DriftpinError
) -> None:
    world.server.failures.extend([refusal] * 10)
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        await delivered(world.pusher, 1)
    assert world.waits.waits_s == [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


async def test_a_retry_sends_the_newest_state(world: World) -> None:
    world.server.failures.append(Unavailable(code="sync_paused"))
    world.waits.on_wait = lambda _wait_s: world.pusher.offer(state_with(2, b"two"))
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        assert await delivered(world.pusher, 2) == "accepted"
    assert world.server.head is not None
    assert world.server.head.digest == state_with(2, b"two").snapshot.digest


async def test_e25_a_rate_limit_is_waited_out_as_the_server_says(world: World) -> None:
    world.server.failures.append(RateLimited(retry_after_s=7))
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        await delivered(world.pusher, 1)
    # The jitter comes on top, so that many do not come back at one moment.
    assert world.waits.waits_s == [7.125]


async def test_x28_a_restarted_agent_gets_a_new_incarnation_and_begins_at_one(
    world: World,
) -> None:
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        await delivered(world.pusher, 1)
    again = world.new_pusher("run-2")
    async with pushing(again):
        again.offer(state_with(1, b"one"))
        assert await delivered(again, 1) == "unchanged"
    assert (world.server.pushes[-1].incarnation, world.server.pushes[-1].seq) == (2, 1)
    assert world.server.pushes[-1].blobs == ()


async def test_x29_a_server_that_lost_the_head_gets_it_again_when_the_link_returns(
    world: World,
) -> None:
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        await delivered(world.pusher, 1)
        world.server.head, world.server.blobs = None, {}
        world.pusher.say_hello_again()
        await world.server.wait_for(lambda: len(world.server.pushes) == 2)
    assert world.server.results == ["accepted", "accepted"]


async def test_a_head_that_the_server_still_holds_is_not_sent_again_when_the_link_returns(
    world: World,
) -> None:
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        await delivered(world.pusher, 1)
        world.pusher.say_hello_again()
        await world.server.wait_for(lambda: world.server.hellos == 2)
        world.pusher.offer(state_with(2, b"two"))
        await delivered(world.pusher, 2)
    assert world.server.results == ["accepted", "accepted"]
    assert isinstance(world.server.head, HeadShape)
    assert world.server.head.seq == 2


async def test_a_hello_that_is_said_again_takes_no_number_back_that_may_still_arrive(
    world: World,
) -> None:
    def go_on(_: float) -> None:
        world.pusher.say_hello_again()
        world.pusher.offer(state_with(2, b"two"))

    world.server.failures.append(Unreachable())
    world.waits.on_wait = go_on
    async with pushing(world.pusher):
        world.pusher.offer(state_with(1, b"one"))
        assert await delivered(world.pusher, 2) == "accepted"
    assert world.server.hellos == 2
    assert [push.seq for push in world.server.pushes] == [1, 2]
