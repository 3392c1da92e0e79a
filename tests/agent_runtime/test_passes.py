import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent_runtime.world import WAIT_S
from driftpin import limits
from driftpin.agent.mcp_configs import FoundServer
from driftpin.agent.parcels import Blobs
from driftpin.agent.passes import MOVED_WHILE_READ, Passes, WorkspaceState
from driftpin.agent.schedule import Timing
from driftpin.agent.sources import SourceFile
from driftpin.agent.workspace import Workspace
from driftpin.clock import SystemClock
from driftpin.context.manifest import Snapshot
from driftpin.context.resource import Observations
from driftpin.errors import Unavailable
from driftpin.identity import digest_of

CLOCK = SystemClock()


def workspace_at(directory: Path) -> Workspace:
    source_file = SourceFile(directory.parent / "sources.json")
    return Workspace(directory, source_file, home=None, clock=CLOCK)


@asynccontextmanager
async def running(passes: Passes) -> AsyncIterator[Passes]:
    task = asyncio.create_task(passes.run())
    try:
        yield passes
    finally:
        task.cancel()
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), WAIT_S)


class States:
    """What was published; a test waits for the one it looks for."""

    def __init__(self) -> None:
        self.all: list[WorkspaceState] = []
        self._arrived = asyncio.Event()

    def __call__(self, state: WorkspaceState) -> None:
        self.all.append(state)
        self._arrived.set()

    async def wait_for_body(self, body: bytes) -> None:
        async with asyncio.timeout(WAIT_S):
            while not self.all or digest_of(body) not in set(self.all[-1].blobs):
                self._arrived.clear()
                await self._arrived.wait()


@pytest.fixture
def states() -> States:
    return States()


async def test_x44_x48_the_rescan_finds_what_no_signal_told_of(
    workspace: Path, states: States
) -> None:
    passes = Passes(
        workspace,
        workspace_at(workspace),
        states,
        clock=CLOCK,
        timing=Timing(rescan_interval_s=0.1),
        is_relevant=lambda _path: False,
    )
    async with running(passes):
        await states.wait_for_body(b"first\n")
        (workspace / "AGENTS.md").write_text("unheard\n", encoding="utf-8")
        await states.wait_for_body(b"unheard\n")


async def test_what_changed_before_it_was_watched_is_found(workspace: Path, states: States) -> None:
    """A directory made after the look at its parent, and filled before the watch on it stands."""
    passes = Passes(workspace, workspace_at(workspace), states, clock=CLOCK)
    async with running(passes):
        await states.wait_for_body(b"first\n")
        skill = workspace / ".agents" / "skills" / "tidy"
        skill.mkdir(parents=True)
        (skill / "SKILL.md").write_text("---\nname: tidy\ndescription: x\n---\n", encoding="utf-8")
        (skill / "notes").write_text("notes", encoding="utf-8")
        await states.wait_for_body(b"notes")
        (skill / "notes").write_text("edited", encoding="utf-8")
        await states.wait_for_body(b"edited")


@dataclass
class Restless:
    """A look at a workspace in which something moves for the first few looks."""

    inner: Workspace
    moves: int
    looks: int = 0
    faults: int = 0
    fault: Exception = field(default_factory=lambda: OSError(24, "no descriptors left"))

    def resolve(self) -> "RestlessResolved":
        if self.faults:
            self.faults -= 1
            raise self.fault
        self.looks += 1
        found = self.inner.resolve()
        is_still = self.looks > self.moves
        return RestlessResolved(
            found.snapshot, found.blobs, found.observations, found.watch, is_still
        )


@dataclass
class RestlessResolved:
    snapshot: Snapshot
    blobs: Blobs
    observations: Observations
    watch: frozenset[Path]
    is_still: bool = field(default=True)
    servers: tuple[FoundServer, ...] = ()

    def is_still_current(self) -> bool:
        return self.is_still


async def test_what_moved_while_it_was_read_is_read_again(workspace: Path, states: States) -> None:
    restless = Restless(workspace_at(workspace), moves=1)
    async with running(Passes(workspace, restless, states, clock=CLOCK)) as passes:
        state = await asyncio.wait_for(passes.seen.wait(1), WAIT_S)
        assert restless.looks == 2
    assert state.observations.errors == ()


async def test_what_never_rests_is_handed_on_and_it_is_said(
    workspace: Path, states: States
) -> None:
    restless = Restless(workspace_at(workspace), moves=limits.SETTLE_TRIES_MAX)
    async with running(Passes(workspace, restless, states, clock=CLOCK)) as passes:
        state = await asyncio.wait_for(passes.seen.wait(1), WAIT_S)
        assert restless.looks == limits.SETTLE_TRIES_MAX
    assert state.observations.errors == (MOVED_WHILE_READ,)


async def test_a_failed_look_fails_those_who_wait_and_the_next_one_works(
    workspace: Path, states: States
) -> None:
    restless = Restless(workspace_at(workspace), moves=0, faults=1)
    async with running(Passes(workspace, restless, states, clock=CLOCK)) as passes:
        with pytest.raises(Unavailable):
            await asyncio.wait_for(passes.seen.wait(1), WAIT_S)
        state = await asyncio.wait_for(passes.seen.wait(passes.ask()), WAIT_S)
    assert (state.pass_number, passes.failures) == (2, 1)


async def test_a_list_of_sources_that_cannot_be_read_costs_no_source(
    workspace: Path, states: States, tmp_path: Path
) -> None:
    team = tmp_path / "team"
    team.mkdir()
    (team / "AGENTS.md").write_text("team\n", encoding="utf-8")
    source_file = SourceFile(tmp_path / "sources.json")
    source_file.add("team", team)
    inner = Workspace(workspace, source_file, home=None, clock=CLOCK)
    passes = Passes(workspace, inner, states, clock=CLOCK, notes=lambda: inner.notes)
    async with running(passes):
        await states.wait_for_body(b"team\n")
        (tmp_path / "sources.json").write_text("{", encoding="utf-8")
        state = await asyncio.wait_for(passes.seen.wait(passes.ask()), WAIT_S)
    assert digest_of(b"team\n") in set(state.blobs)
    assert state.observations.errors == ("bad_state_file",)


def test_writes_in_a_parent_of_a_root_that_lead_nowhere_do_not_matter(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".agents").mkdir(parents=True)
    directory = home / "code" / "workspace"
    directory.mkdir(parents=True)
    source_file = SourceFile(tmp_path / "sources.json")
    workspace = Workspace(directory, source_file, home=home, clock=CLOCK)
    assert workspace.is_relevant(directory / "AGENTS.md")
    assert workspace.is_relevant(directory)
    assert workspace.is_relevant(home / "code")
    assert workspace.is_relevant(home / ".claude")
    assert not workspace.is_relevant(home / ".bash_history")
    assert not workspace.is_relevant(home / "code" / "other")


@pytest.mark.parametrize(
    "fault",
    [OSError(24, "x"), OSError(12, "x"), MemoryError(), RuntimeError("can't start new thread")],
)
async def test_x50_an_agent_that_keeps_running_out_says_so_and_ends(
    workspace: Path, states: States, fault: Exception
) -> None:
    restless = Restless(workspace_at(workspace), 0, faults=limits.EXHAUSTED_PASSES_MAX, fault=fault)
    timing = Timing(rescan_interval_s=0.01)
    passes = Passes(workspace, restless, states, clock=CLOCK, timing=timing)
    with pytest.raises(Unavailable) as ended:
        await asyncio.wait_for(passes.run(), WAIT_S)
    assert ended.value.code == "out_of_resources"
    assert states.all == []


async def test_x50_an_agent_that_ran_out_of_handles_now_and_then_goes_on(
    workspace: Path, states: States
) -> None:
    restless = Restless(workspace_at(workspace), moves=0)
    async with running(Passes(workspace, restless, states, clock=CLOCK)) as passes:
        for _ in range(limits.EXHAUSTED_PASSES_MAX):
            restless.faults = limits.EXHAUSTED_PASSES_MAX - 1
            for _ in range(restless.faults):
                with pytest.raises(Unavailable):
                    await asyncio.wait_for(passes.seen.wait(passes.ask()), WAIT_S)
            await asyncio.wait_for(passes.seen.wait(passes.ask()), WAIT_S)
