"""Load: the same mixed calls against pinning by reference and pinning by copy, on one PostgreSQL.

Each side gets the same calls (`bench.mix`) in the same order, from as many callers as it has
connections, for as long. Two processes call, as two replicas would, each for one half of the
workspaces, and each looks for cycles of objects as seldom as `driftpin serve` does.
"""

import asyncio
import multiprocessing
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from multiprocessing.synchronize import Barrier
from typing import Final

from bench.copies import Copies
from bench.copying import CopyingStore
from bench.mix import AGENTS, BODY_BYTES, EDITIONS, MIX, RESOURCES, Call, Side, calls, edited
from bench.references import References
from bench.report import Report
from bench.world import Contents, contents, open_engine, open_store, postgres
from driftpin.server.cycles import look_for_cycles_seldom

PROCESSES: Final = 2
CONNECTIONS: Final = 16
SECONDS: Final = 20.0
# One process waits for the other to be ready as long at most.
READY_S: Final = 900.0


@dataclass(slots=True)
class Load:
    """What one side did in its time."""

    taken_ms: list[float] = field(default_factory=list)
    by_verb: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, other: "Load") -> None:
        """Count what was done beside it at the same time."""
        self.taken_ms += other.taken_ms
        for verb, taken_ms in other.by_verb.items():
            self.by_verb[verb] += taken_ms
        self.failed.update(other.failed)
        self.seconds = max(self.seconds, other.seconds)

    @property
    def calls_per_s(self) -> float:
        return len(self.taken_ms) / self.seconds

    def p99_ms(self) -> float:
        return percentile(self.taken_ms, 99)


def percentile(values: Sequence[float], share: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


class _Runner:
    def __init__(self, side: Side, base: Contents, agents: Sequence[int]) -> None:
        self._side, self._base = side, base
        self._editions = [edited(base, number) for number in range(1, EDITIONS + 1)]
        self._newest: dict[int, Contents] = {}
        self._calls = calls(agents)
        self._pushes: Counter[int] = Counter()
        # An agent pushes one state after the other.
        self._turns = {agent: asyncio.Lock() for agent in agents}
        self.load = Load()

    async def run(self) -> Load:
        begun = time.perf_counter()
        callers = CONNECTIONS // PROCESSES
        await asyncio.gather(*(self._call_until(begun + SECONDS) for _ in range(callers)))
        self.load.seconds = time.perf_counter() - begun
        return self.load

    async def _call_until(self, end: float) -> None:
        while time.perf_counter() < end:
            call = next(self._calls)
            if call.verb in ("push", "same push"):
                async with self._turns[call.agent]:
                    await self._timed(call)
            else:
                await self._timed(call)

    async def _timed(self, call: Call) -> None:
        begun = time.perf_counter()
        try:
            await self._carry_out(call)
        except Exception as failure:  # noqa: BLE001 every failure is told and counted
            traceback.print_exception(failure, limit=-2)
            self.load.failed[call.verb] += 1
            return
        taken_ms = (time.perf_counter() - begun) * 1000
        self.load.taken_ms.append(taken_ms)
        self.load.by_verb[call.verb].append(taken_ms)

    async def _carry_out(self, call: Call) -> None:
        match call.verb:
            case "push":
                # The two agents of a workspace never push the same state.
                number = 2 * self._pushes[call.agent] + call.agent % 2
                self._pushes[call.agent] += 1
                self._newest[call.agent] = self._editions[number % len(self._editions)]
                await self._side.push(call.agent, self._newest[call.agent])
            case "same push":
                # As after a restart of the agent: what it has is there already.
                await self._side.push(call.agent, self._newest.get(call.agent, self._base))
            case "create":
                await self._side.create(call.agent)
            case "refresh":
                await self._side.refresh(call.agent, call.place)
            case "rebind":
                await self._side.rebind(call.agent, call.place)
            case _:
                await self._side.read(call.agent, call.place)


@asynccontextmanager
async def _references(url: str) -> AsyncIterator[Side]:
    async with open_store(url, pool_size=CONNECTIONS // PROCESSES) as store:
        yield References(store)


@asynccontextmanager
async def _copies(url: str) -> AsyncIterator[Side]:
    async with open_engine(
        url, "REPEATABLE READ", pool_size=CONNECTIONS // PROCESSES, pool_timeout_s=600
    ) as engine:
        yield Copies(CopyingStore(engine))


SIDES: Final = {"references": _references, "copies": _copies}


def _call(name: str, url: str, number: int, ready: Barrier, told: Connection) -> None:
    """Be one of the calling processes: build its half, wait for the other, call, and tell."""
    agents = range(AGENTS // PROCESSES * number, AGENTS // PROCESSES * (number + 1))

    async def call() -> Load:
        base = contents(RESOURCES, BODY_BYTES)
        async with SIDES[name](url) as side:
            await side.build(base, agents)
            runner = _Runner(side, base, agents)
            await asyncio.to_thread(ready.wait, READY_S)
            return await runner.run()

    look_for_cycles_seldom()
    told.send(asyncio.run(call()))


def _measure(name: str, url: str) -> Load:
    """Return what one side does when all processes call it at once."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(PROCESSES)
    told = [_begin(context, name, url, number, ready) for number in range(PROCESSES)]
    together = Load()
    for connection in told:
        # A process that failed has said why, and closes its end without a word here.
        together.add(connection.recv())
    return together


def _begin(context: SpawnContext, name: str, url: str, number: int, ready: Barrier) -> Connection:
    hears, tells = context.Pipe(duplex=False)
    context.Process(target=_call, args=(name, url, number, ready, tells), daemon=True).start()
    tells.close()
    return hears


async def run(report: Report) -> None:
    with postgres() as url:
        async with open_store(url), open_engine(url, "REPEATABLE READ") as engine:
            await CopyingStore(engine).create_tables()
        ours = await asyncio.to_thread(_measure, "references", url)
        theirs = await asyncio.to_thread(_measure, "copies", url)
    _tell(report, ours, theirs)


def _tell(report: Report, ours: Load, theirs: Load) -> None:
    report.section(
        f"Mixed load, {AGENTS} agents with {RESOURCES} resources, {CONNECTIONS} connections of "
        f"{PROCESSES} processes"
    )
    report.at_least(
        "calls per second, references ÷ copies",
        ours.calls_per_s / theirs.calls_per_s,
        20,
        f"{ours.calls_per_s:,.0f} ÷ {theirs.calls_per_s:,.1f}",
    )
    report.at_least(
        "99 % of the calls, copies ÷ references",
        theirs.p99_ms() / ours.p99_ms(),
        10,
        f"{theirs.p99_ms():,.0f} ms ÷ {ours.p99_ms():,.0f} ms",
    )
    report.at_most("failed calls, references", sum(ours.failed.values()), 0, "")
    report.tell("failed calls, copies", f"{sum(theirs.failed.values())}")
    for verb in MIX:
        pair = [load.by_verb[verb] for load in (theirs, ours)]
        if all(pair):
            medians = " ÷ ".join(f"{percentile(taken, 50):,.1f} ms" for taken in pair)
            counts = " and ".join(str(len(taken)) for taken in pair)
            report.tell(f"{verb}, median", f"{medians} ({counts} calls)")
