"""A server that goes back and forth makes a chat dirty once, and not at each of its turns."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from driftpin import limits
from driftpin.agent.mcp_engine import McpEngine
from driftpin.agent.mcp_memory import CatalogueFile
from driftpin.agent.mcp_session import Surroundings
from driftpin.agent.mcp_settling import Settling
from driftpin.context.resource import Catalogue, ToolEntry
from driftpin.identity import Digest
from mcp_agent.conftest import KEY, Bench, approvals_of, state_of, tool, unheard
from stepping import SteppedClock

CALM_S = limits.MCP_SETTLED_AFTER_S

TOOLS = [tool("a"), tool("b")]


def catalogue(*names: str) -> Catalogue:
    return Catalogue(None, tuple(ToolEntry(name, Digest(f"sha256:{name}")) for name in names))


FULL, HALF, OTHER = catalogue("a", "b"), catalogue("a"), catalogue("c")


class Server:
    """What counts of a server that offers one catalogue after the other."""

    def __init__(self, known: Catalogue) -> None:
        self.known = known
        self.moves = 0
        self._settling = Settling()

    def offer(self, offered: Catalogue, now_s: float) -> Catalogue:
        if self._settling.takes("key", self.known, offered, now_s) and self.known != offered:
            self.known = offered
            self.moves += 1
        return self.known


def test_one_change_and_its_reversal_count_at_once() -> None:
    server = Server(FULL)
    assert server.offer(FULL, 0) == FULL
    assert server.offer(HALF, 1) == HALF
    assert server.offer(FULL, 2) == FULL


def test_a_server_that_lists_by_halves_at_each_start_moves_a_head_twice_in_all() -> None:
    server = Server(FULL)
    for start in range(50):
        server.offer(HALF, 10 * start)
        assert server.offer(FULL, 10 * start + 1) == FULL
    assert server.moves == 2


def test_what_stays_counts_and_something_new_counts_when_it_stays() -> None:
    server = Server(FULL)
    for now_s, offered in enumerate((HALF, FULL, HALF, FULL, HALF)):
        server.offer(offered, now_s)
    assert server.known == FULL
    assert server.offer(HALF, 4 + CALM_S - 1) == FULL
    assert server.offer(HALF, 4 + CALM_S) == HALF
    assert server.offer(OTHER, 5 + CALM_S) == HALF
    assert server.offer(OTHER, 5 + 2 * CALM_S) == OTHER


class Flapper:
    """A real server under an engine, told to offer the one half of its tools or all of them."""

    def __init__(self, bench: Bench) -> None:
        self.clock = SteppedClock()
        self.calm = asyncio.Event()
        self.waits: list[float] = []
        self._bench = bench
        self._server = bench.server()
        self.engine = McpEngine(
            Surroundings(bench.directory, bench.environment),
            CatalogueFile(bench.directory / "catalogues.json"),
            KEY,
            clock=self.clock,
            on_change=bench.changed.set,
            waiter=self._wait,
        )

    async def _wait(self, event: asyncio.Event, timeout_s: float) -> None:
        """Wait for the event, or until the test says that the time is over."""
        self.waits.append(timeout_s)
        tasks = [asyncio.create_task(each.wait()) for each in (event, self.calm)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        self.calm.clear()
        for task in tasks:
            task.cancel()

    async def start(self) -> None:
        self._bench.write(tools=TOOLS)
        self.engine.list_servers((self._server,))
        self.engine.approve(approvals_of(self._server))
        await self._bench.until(lambda: state_of(self.engine).state == "ready")

    async def offer(self, count: int) -> int:
        """Have it offer so many tools; return how many count then."""
        self._bench.write(tools=TOOLS[:count], changed_after="tools/call")
        await self.engine.keeper_of("mcp:fake").call("a", {}, on_progress=unheard)
        await self._bench.until(lambda: self._offered() == count)
        return self.known()

    def known(self) -> int:
        key = ("mcp:fake", self._server.launch.identity)
        return len(self.engine.catalogues()[key].catalogue.tools)

    def _offered(self) -> int:
        learnt = self.engine.keeper_of("mcp:fake").catalogue
        return 0 if learnt is None else len(learnt.catalogue.tools)


@pytest.fixture
async def flapper(bench: Bench) -> AsyncIterator[Flapper]:
    made = Flapper(bench)
    running = asyncio.create_task(made.engine.run())
    try:
        await made.start()
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_flapping_server_keeps_its_tools_and_says_that_it_flaps(flapper: Flapper) -> None:
    assert [await flapper.offer(count) for count in (1, 2, 1, 2, 1, 2)] == [1, 2, 2, 2, 2, 2]
    assert state_of(flapper.engine).reason == ""
    assert await flapper.offer(1) == 2
    status = state_of(flapper.engine)
    assert (status.state, status.reason) == ("ready", "flapping")


async def test_a_server_that_calms_down_is_taken_at_its_word(
    bench: Bench, flapper: Flapper
) -> None:
    assert [await flapper.offer(count) for count in (1, 2, 1)] == [1, 2, 2]
    flapper.clock.step(CALM_S)
    flapper.calm.set()
    await bench.until(lambda: flapper.known() == 1)
    assert set(flapper.waits) == {CALM_S}
    assert state_of(flapper.engine).reason == ""
