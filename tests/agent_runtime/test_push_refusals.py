"""Refusals that a pusher cannot repair at once, and what it tells of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from agent_runtime.world import (
    IDLE_S,
    WAIT_S,
    CountedWaits,
    HeldBlobs,
    RuleKeepingServer,
    SteppedClock,
    state_with,
)
from driftpin import limits
from driftpin.agent.push import Pusher
from driftpin.agent.waiting import Backoff
from driftpin.errors import BlobsMissing, PushOutdated, RateLimited, TooLarge, Unavailable
from driftpin.identity import Digest, digest_of
from driftpin.wire.agent import HelloRequest, PushReply, PushRequest


class BreakingServer(RuleKeepingServer):
    """Answers its first pushes in a way that nobody foresaw; `on_push` runs before each."""

    def __init__(self) -> None:
        super().__init__()
        self.breaks = 0
        self.on_push: Callable[[], object] = bool

    async def push(self, request: PushRequest) -> PushReply:
        self.on_push()
        if self.breaks:
            self.breaks -= 1
            raise ValueError("no answer anybody knows")
        return await super().push(request)


class OvertakenBlobs(HeldBlobs):
    """Bytes that are found to be gone at the moment in which a newer state is offered."""

    def __init__(self, overtake: Callable[[], Coroutine[None, None, None]]) -> None:
        super().__init__({digest_of(b"one"): b"one"}, are_gone=True)
        self._overtake = overtake
        self._loop = asyncio.get_running_loop()

    def __getitem__(self, digest: Digest) -> bytes:
        asyncio.run_coroutine_threadsafe(self._overtake(), self._loop).result(WAIT_S)
        return super().__getitem__(digest)


class EndlessWaits(CountedWaits):
    """Waits for the event alone, as if no wait were ever over, and tells when one begins."""

    def __init__(self) -> None:
        super().__init__()
        self._begun: asyncio.Queue[float] = asyncio.Queue()

    async def __call__(self, event: asyncio.Event, timeout_s: float) -> None:
        assert not event.is_set(), "what ended an earlier wait must not end this one"
        self._begun.put_nowait(timeout_s)
        await event.wait()

    async def begin(self, *, is_idle: bool) -> None:
        """Return once the pusher waits, with nothing to do or before its next try."""
        async with asyncio.timeout(WAIT_S):
            while (await self._begun.get() == IDLE_S) != is_idle:
                pass


class Scene:
    """A pusher that waits in no time, and its server."""

    def __init__(self, waits: CountedWaits | None = None) -> None:
        self.server = BreakingServer()
        self.waits = waits or CountedWaits()
        self.asked = 0
        self.pusher = Pusher(
            self.server,
            HelloRequest(run_id="run-1"),
            clock=SteppedClock(),
            ask_for_pass=self._ask,
            backoff=Backoff(lambda: 0.5),
            waiter=self.waits,
        )
        self.failures: list[str] = []
        self.waits.on_wait = self._note

    def _ask(self) -> None:
        self.asked += 1

    def _note(self, _wait_s: float) -> None:
        self.failures.append(self.pusher.failure)

    async def deliver(self, pass_number: int) -> str:
        async with asyncio.timeout(WAIT_S):
            return (await self.pusher.delivered.wait(pass_number)).result

    @asynccontextmanager
    async def running(self, first_pass: int = 0) -> AsyncIterator[None]:
        task = asyncio.create_task(self.pusher.run(first_pass))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_state_over_the_quota_is_offered_again_until_there_is_room(scene: Scene) -> None:
    scene.server.failures.extend([TooLarge("No room.", code="quota_exceeded")] * 2)
    async with scene.running():
        scene.pusher.offer(state_with(1, b"one"))
        assert await scene.deliver(1) == "accepted"
    assert scene.failures == ["quota_exceeded: No room."] * 2
    assert scene.waits.waits_s == [0.125, 0.25]
    assert scene.pusher.failure == ""


async def test_bytes_that_no_state_has_cannot_be_brought_and_are_waited_for(scene: Scene) -> None:
    scene.server.failures.append(BlobsMissing(digests=[str(digest_of(b"never had"))]))
    async with scene.running():
        scene.pusher.offer(state_with(1, b"one"))
        assert await scene.deliver(1) == "accepted"
    assert (scene.server.uploads, len(scene.waits.waits_s)) == ([], 1)


async def test_missing_bytes_that_are_not_named_are_waited_for(scene: Scene) -> None:
    scene.server.failures.append(BlobsMissing())
    async with scene.running():
        scene.pusher.offer(state_with(1, b"one"))
        assert await scene.deliver(1) == "accepted"
    assert (scene.server.uploads, len(scene.waits.waits_s)) == ([], 1)


async def test_what_nobody_foresaw_is_told_and_tried_again(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.server.breaks = 1
    async with scene.running():
        scene.pusher.offer(state_with(1, b"one"))
        assert await scene.deliver(1) == "accepted"
    assert scene.failures == ["unavailable: a push failed; see the agent's log"]
    (told,) = [record for record in caplog.records if record.exc_info]
    assert told.exc_info is not None
    assert isinstance(told.exc_info[1], ValueError)


async def test_bytes_gone_from_a_state_that_was_overtaken_ask_for_no_pass(scene: Scene) -> None:
    async def overtake() -> None:
        scene.pusher.offer(state_with(2, b"two"))

    first = state_with(1, b"one")
    async with scene.running():
        scene.pusher.offer(replace(first, blobs=OvertakenBlobs(overtake)))
        assert await scene.deliver(2) == "accepted"
    assert (scene.asked, scene.server.results) == (0, ["accepted"])


@pytest.mark.parametrize(
    "outdated",
    [
        PushOutdated(code="stale", incarnation=1),
        PushOutdated(code="stale", seq="41", incarnation=1),
        PushOutdated(code="stale", seq=41, incarnation=7),
    ],
    ids=["no-number", "no-whole-number", "of-another-run"],
)
async def test_a_number_that_is_not_this_runs_is_asked_for_with_a_hello(
    scene: Scene, outdated: PushOutdated
) -> None:
    scene.server.failures.append(outdated)
    async with scene.running():
        scene.pusher.offer(state_with(1, b"one"))
        assert await scene.deliver(1) == "accepted"
    assert scene.server.hellos == 2
    assert scene.waits.waits_s == []
    assert [push.seq for push in scene.server.pushes] == [1, 1]


async def test_e25_a_wait_that_the_server_asks_for_has_an_upper_limit(scene: Scene) -> None:
    scene.server.failures.append(RateLimited(retry_after_s=10**9))
    scene.server.failures.append(RateLimited(retry_after_s="soon"))
    async with scene.running():
        scene.pusher.offer(state_with(1, b"one"))
        await scene.deliver(1)
    assert scene.waits.waits_s == [limits.RETRY_AFTER_LONGEST_S + 0.125, 0.25]


async def test_a_pause_that_ends_is_noticed_before_the_wait_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SYNC_RESUME_SPREAD_S", 0)
    waits = EndlessWaits()
    scene = Scene(waits)
    scene.server.failures.extend([Unavailable("Paused.", code="sync_paused")] * 2)
    async with scene.running():
        scene.pusher.offer(state_with(1, b"one"))
        for _ in range(2):
            await waits.begin(is_idle=False)
            assert scene.pusher.is_sync_paused
            scene.pusher.try_again_soon()
        assert await scene.deliver(1) == "accepted"
    assert not scene.pusher.is_sync_paused


async def test_states_of_passes_before_the_first_that_counts_are_not_sent() -> None:
    waits = EndlessWaits()
    scene = Scene(waits)
    async with scene.running(first_pass=2):
        scene.pusher.offer(state_with(1, b"early"))
        await waits.begin(is_idle=True)
        scene.pusher.offer(state_with(2, b"two"))
        assert await scene.deliver(2) == "accepted"
    assert [push.digest for push in scene.server.pushes] == [state_with(2, b"two").snapshot.digest]


async def test_waits_begin_small_again_once_a_state_got_through(scene: Scene) -> None:
    async with scene.running():
        for number in (1, 2):
            scene.server.failures.extend([Unavailable()] * 2)
            scene.pusher.offer(state_with(number, b"%d" % number))
            await scene.deliver(number)
    assert scene.waits.waits_s == [0.125, 0.25] * 2


async def test_a_state_that_is_asked_for_while_an_earlier_one_travels_is_pushed_too(
    scene: Scene,
) -> None:
    async with scene.running():
        scene.pusher.offer(state_with(1, b"one"))
        waiting = [state_with(2, b"one", was_asked_for=True)]
        scene.server.on_push = lambda: scene.pusher.offer(waiting.pop()) if waiting else None
        assert await scene.deliver(2) == "unchanged"
    assert scene.server.results == ["accepted", "unchanged"]


async def test_the_head_is_what_the_server_acknowledged_last(scene: Scene) -> None:
    assert scene.pusher.head is None
    async with scene.running():
        scene.pusher.offer(state_with(1, b"one"))
        await scene.deliver(1)
        assert scene.pusher.head == scene.server.head
        assert scene.pusher.head is not None
        scene.pusher.offer(state_with(2, b"two"))
        await scene.deliver(2)
    assert scene.pusher.head == scene.server.head
