"""The loop that looks at the workspace: signals in, states out.

One pass resolves, watches what it looked at, and checks that nothing moved meanwhile; if it did,
it looks again, at most three times or 2 s, and then says so. All of that blocks and runs on one
thread of its own; the loop only decides when.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, assert_never

from driftpin import limits
from driftpin.agent.barrier import Barrier
from driftpin.agent.exhaustion import is_exhaustion
from driftpin.agent.git_state import GitLock, find_index_lock
from driftpin.agent.mcp_configs import FoundServer
from driftpin.agent.parcels import Blobs
from driftpin.agent.schedule import Resolve, Schedule, Timing, Wait
from driftpin.agent.waiting import Waiter, wait_on_clock
from driftpin.agent.watch import Watcher
from driftpin.clock import Clock
from driftpin.context.manifest import Snapshot
from driftpin.context.resource import Observations, ServerObservation
from driftpin.errors import Unavailable
from driftpin.failpoints import Failpoint, Reach, pass_by

MOVED_WHILE_READ = "moved_while_read"
GIT_LOCK_HELD = "git_lock_held"

_log = logging.getLogger(__name__)


class Resolved(Protocol):
    """What one look at the workspace found (`agent.resolve`)."""

    @property
    def snapshot(self) -> Snapshot:
        """The resources and their digests."""

    @property
    def blobs(self) -> Blobs:
        """All bytes that the snapshot names."""

    @property
    def observations(self) -> Observations:
        """What was seen beside the digests."""

    @property
    def servers(self) -> tuple[FoundServer, ...]:
        """The MCP servers that are listed as usable."""

    @property
    def watch(self) -> frozenset[Path]:
        """The directories whose change can change the result."""

    def is_still_current(self) -> bool:
        """Whether what was read still looks as it did."""


def _no_servers(_: Resolved) -> tuple[ServerObservation, ...]:
    return ()


class Resolver(Protocol):
    """Looks at a workspace; blocks."""

    def resolve(self) -> Resolved:
        """Return what is there now; bad files are statuses, not exceptions."""


@dataclass(frozen=True, slots=True)
class WorkspaceState:
    """The outcome of one pass. One that `was_asked_for` is pushed even if nothing changed."""

    pass_number: int
    snapshot: Snapshot
    blobs: Blobs
    observations: Observations
    was_asked_for: bool = False


@dataclass(frozen=True, slots=True)
class _Look:
    resolved: Resolved
    has_moved: bool
    has_rearmed: bool


class Passes:
    """Runs passes when the schedule says so and hands each state to `publish`.

    `seen` answers those who wait for a pass; `last` is the newest state;
    `notes` are errors to add to the observations, and `observe_servers` is told what was found and
    tells how the MCP servers of it stand.
    """

    def __init__(
        self,
        workspace: Path,
        resolver: Resolver,
        publish: Callable[[WorkspaceState], None],
        *,
        clock: Clock,
        timing: Timing | None = None,
        waiter: Waiter = wait_on_clock,
        is_relevant: Callable[[Path], bool] = lambda _path: True,
        notes: Callable[[], tuple[str, ...]] = tuple,
        observe_servers: Callable[[Resolved], tuple[ServerObservation, ...]] = _no_servers,
        reach: Reach = pass_by,
    ) -> None:
        self._workspace = workspace
        self._resolver = resolver
        self._publish = publish
        self._clock = clock
        self._waiter = waiter
        self._schedule = Schedule(clock.monotonic_s(), timing)
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._notes = notes
        self._observe_servers = observe_servers
        self._reach = reach
        self._exhausted = 0
        self._is_asked = False
        self._begun = 0
        self.watcher = Watcher(self._signal_from_thread, is_relevant)
        self.seen: Barrier[WorkspaceState] = Barrier()
        self.last: WorkspaceState | None = None
        self.failures = 0

    def ask(self) -> int:
        """Ask for a pass that begins after this moment; return its number."""
        self._is_asked = True
        self._schedule.ask()
        self._woken.set()
        return self._begun + 1

    def signal(self) -> None:
        """Something may have changed."""
        self._schedule.signal(self._clock.monotonic_s())
        self._woken.set()

    async def run(self) -> None:
        """Run passes until cancelled; when this has returned nothing is watched any more.

        Raises Unavailable (`out_of_resources`) when memory or descriptors lacked several times
        in a row: a fresh process may do better.
        """
        self._loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="driftpin-pass") as executor:
            try:
                while True:
                    await self._wait_until_due()
                    await self._run_pass(executor)
            finally:
                # A pass that was under way still ends, and may arm the watcher, before it closes.
                executor.shutdown(wait=True)
                self.watcher.close()

    def _signal_from_thread(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.signal)

    async def _wait_until_due(self) -> None:
        while True:
            self._woken.clear()
            now_s = self._clock.monotonic_s()
            match self._schedule.next_step(now_s, find_index_lock(self._workspace)):
                case Resolve():
                    return
                case Wait(until_s=until_s):
                    await self._waiter(self._woken, until_s - now_s)
                case step:
                    assert_never(step)

    async def _run_pass(self, executor: ThreadPoolExecutor) -> None:
        self._begun += 1
        number, was_asked, self._is_asked = self._begun, self._is_asked, False
        self._schedule.begin_pass(self._clock.monotonic_s())
        await self._reach(Failpoint.AGENT_SCAN)
        try:
            look = await asyncio.get_running_loop().run_in_executor(
                executor, self._look_until_settled
            )
        except Exception as error:  # noqa: BLE001 - the top of a loop
            # The next rescan tries again.
            _log.exception("a look at the workspace failed")
            self._note_failure(number, error)
            return
        self._exhausted = 0
        await self._reach(Failpoint.AGENT_HASH)
        if look.has_rearmed:
            # What changed between the look and the watch was not signalled.
            self.signal()
        lock = find_index_lock(self._workspace)
        if self._schedule.holds_back(self._clock.monotonic_s(), lock):
            self._is_asked |= was_asked
            return
        self._hand_on(self._state_of(number, look, lock, was_asked=was_asked))

    def _note_failure(self, number: int, error: Exception) -> None:
        self.failures += 1
        self.seen.fail(number, Unavailable("the workspace could not be looked at"))
        self._exhausted = self._exhausted + 1 if is_exhaustion(error) else 0
        if self._exhausted >= limits.EXHAUSTED_PASSES_MAX:
            raise Unavailable(
                "memory or file handles ran out; the agent has to be started again",
                code="out_of_resources",
            ) from error

    def _hand_on(self, state: WorkspaceState) -> None:
        self.last = state
        self._publish(state)
        self.seen.settle(state.pass_number, state)

    def _look_until_settled(self) -> _Look:
        ends_s = self._clock.monotonic_s() + limits.SETTLE_LONGEST_MS / 1000
        has_rearmed = False
        for tries_left in reversed(range(limits.SETTLE_TRIES_MAX)):
            resolved = self._resolver.resolve()
            has_rearmed |= self.watcher.arm(resolved.watch)
            is_current = resolved.is_still_current()
            if is_current or tries_left == 0 or self._clock.monotonic_s() >= ends_s:
                break
        return _Look(resolved, has_moved=not is_current, has_rearmed=has_rearmed)

    def _state_of(
        self, number: int, look: _Look, lock: GitLock | None, *, was_asked: bool
    ) -> WorkspaceState:
        observations = look.resolved.observations
        moved = (MOVED_WHILE_READ,) if look.has_moved else ()
        held = (GIT_LOCK_HELD,) if lock is not None else ()
        observations = dataclasses.replace(
            observations,
            errors=(*observations.errors, *moved, *held, *self._notes()),
            degraded=self.watcher.degraded or observations.degraded,
            servers=self._observe_servers(look.resolved),
        )
        return WorkspaceState(
            pass_number=number,
            snapshot=look.resolved.snapshot,
            blobs=look.resolved.blobs,
            observations=observations,
            was_asked_for=was_asked,
        )


__all__ = ["GIT_LOCK_HELD", "MOVED_WHILE_READ", "Passes", "Resolved", "Resolver", "WorkspaceState"]
