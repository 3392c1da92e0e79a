"""Load: the same mixed calls against pinning by reference and pinning by copy, on one PostgreSQL.

32 workspaces with two agents each, 200 resources per agent, and chats in all of them. Each side
gets the same calls in the same order, from as many callers as it has connections, for as long. Two
processes call, as two replicas would, each for one half of the workspaces. A push changes one file,
and its bytes come along; half of the pushes are of the same state again. A read is the listing of
what a chat runs on.
"""

import asyncio
import multiprocessing
import random
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from multiprocessing.synchronize import Barrier
from typing import Final, Protocol

from bench.copying import CopyingStore
from bench.pinning import bodies_of
from bench.report import Report
from bench.world import Contents, contents, open_engine, open_store, postgres, prose
from driftpin.clock import SystemClock
from driftpin.context.manifest import snapshot_of
from driftpin.context.resource import InstructionBody, Kind, Resource, Status
from driftpin.identity import (
    WORKER,
    Actor,
    AgentId,
    ChatId,
    Digest,
    RandomIds,
    WorkspaceId,
    agent_actor,
    digest_of,
    user_actor,
)
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_user import create_user
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.say_hello import say_hello
from driftpin.operations.store_blobs import store_blobs
from driftpin.store.store import Store

PROCESSES: Final = 2
CONNECTIONS: Final = 16
AGENTS: Final = 64
RESOURCES: Final = 200
BODY_BYTES: Final = 8 * 1024
CHATS_PER_AGENT: Final = 4
EDITIONS: Final = 64
SECONDS: Final = 20.0
# One process waits for the other to be ready as long at most.
READY_S: Final = 900.0
# How often each call comes, of a hundred.
MIX: Final = {"read": 30, "refresh": 25, "push": 13, "same push": 12, "create": 12, "rebind": 8}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the sequence; `place` chooses a chat of the agent's workspace."""

    verb: str
    agent: int
    place: int


class Side(Protocol):
    """What is compared; agents are numbered, 2k and 2k + 1 share a workspace."""

    async def build(self, base: Contents, agents: Sequence[int]) -> None: ...

    async def push(self, agent: int, pushed: Contents) -> None: ...

    async def create(self, agent: int) -> None: ...

    async def refresh(self, agent: int, place: int) -> None: ...

    async def rebind(self, agent: int, place: int) -> None: ...

    async def read(self, agent: int, place: int) -> None: ...


def calls(agents: Sequence[int]) -> Iterator[Call]:
    draw = random.Random(agents[0])
    verbs, weights = list(MIX), list(MIX.values())
    while True:
        (verb,) = draw.choices(verbs, weights)
        yield Call(verb, draw.choice(agents), draw.randrange(1 << 30))


def edited(base: Contents, edition: int) -> Contents:
    """Return the files with the first one written anew."""
    first, *others = base.snapshot.resources
    body = prose(0, edition, BODY_BYTES)
    digest = digest_of(body)
    again = Resource(Kind.INSTRUCTION_FILE, first.source, Status.OK, body=InstructionBody(digest))
    assert isinstance(first.body, InstructionBody)
    bodies = {name: kept for name, kept in base.bodies.items() if name != first.body.digest}
    return Contents(snapshot_of([again, *others]), {**bodies, digest: body})


class References:
    """driftpin itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owners: dict[int, Actor] = {}
        self._workspaces: dict[int, WorkspaceId] = {}
        self._agents: dict[int, Actor] = {}
        self._seqs: Counter[int] = Counter()
        self._sent: defaultdict[int, set[Digest]] = defaultdict(set)
        self._chats: defaultdict[int, list[ChatId]] = defaultdict(list)

    async def build(self, base: Contents, agents: Sequence[int]) -> None:
        for number in sorted({agent // 2 for agent in agents}):
            user = await create_user(self._store, WORKER, f"user {number}")
            owner = user_actor(user.id)
            workspace = await create_workspace(self._store, owner, "load")
            self._owners[number] = owner
            self._workspaces[number] = workspace.id
            for agent in (2 * number, 2 * number + 1):
                row, _ = await enrol_agent(self._store, owner, workspace.id, "load")
                self._agents[agent] = agent_actor(row.id, workspace.id)
                await say_hello(
                    self._store,
                    self._agents[agent],
                    run_id="load",
                    hostname="",
                    os="",
                    version="",
                    roots={},
                )
                await self.push(agent, base)
                for _ in range(CHATS_PER_AGENT):
                    await self.create(agent)

    async def push(self, agent: int, pushed: Contents) -> None:
        self._seqs[agent] += 1
        new = {name: body for name, body in pushed.bodies.items() if name not in self._sent[agent]}
        if len(new) > 1:
            await store_blobs(self._store, self._agents[agent], list(new.items()))
        await accept_snapshot(
            self._store,
            self._agents[agent],
            incarnation=1,
            seq=self._seqs[agent],
            snapshot=pushed.snapshot,
            observations={},
            blobs=new.items(),
        )
        self._sent[agent].update(new)

    async def create(self, agent: int) -> None:
        workspace = agent // 2
        view = await create_chat(self._store, self._owners[workspace], self._workspaces[workspace])
        self._chats[workspace].append(view.chat.id)

    async def refresh(self, agent: int, place: int) -> None:
        await refresh_context(
            self._store, self._owners[agent // 2], self._chat(agent, place), to=None
        )

    async def rebind(self, agent: int, place: int) -> None:
        agent_id: AgentId | None = self._agents[agent].agent_id
        await rebind_chat(self._store, self._owners[agent // 2], self._chat(agent, place), agent_id)

    async def read(self, agent: int, place: int) -> None:
        entries = await self._store.list_pinned_entries(
            self._owners[agent // 2], self._chat(agent, place)
        )
        assert len(entries.entries) == RESOURCES

    def _chat(self, agent: int, place: int) -> ChatId:
        found = self._chats[agent // 2]
        return found[place % len(found)]


class Copies:
    """The copying baseline."""

    def __init__(self, store: CopyingStore) -> None:
        self._store = store
        self._chats: defaultdict[int, list[str]] = defaultdict(list)

    async def build(self, base: Contents, agents: Sequence[int]) -> None:
        for agent in agents:
            await self.push(agent, base)
            for _ in range(CHATS_PER_AGENT):
                await self.create(agent)

    async def push(self, agent: int, pushed: Contents) -> None:
        await self._store.push(str(agent), _hash_of(pushed.snapshot.digest), bodies_of(pushed))

    async def create(self, agent: int) -> None:
        chat_id = RandomIds().fresh(SystemClock().now())
        await self._store.create_chat(str(agent), chat_id)
        self._chats[agent // 2].append(chat_id)

    async def refresh(self, agent: int, place: int) -> None:
        await self._store.refresh(self._chat(agent, place))

    async def rebind(self, agent: int, place: int) -> None:
        await self._store.rebind(self._chat(agent, place), str(agent))

    async def read(self, agent: int, place: int) -> None:
        assert await self._store.count_listing(self._chat(agent, place)) == RESOURCES

    def _chat(self, agent: int, place: int) -> str:
        found = self._chats[agent // 2]
        return found[place % len(found)]


def _hash_of(digest: Digest) -> bytes:
    return bytes.fromhex(digest[7:])


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
