"""A server under steady, mixed traffic for hours: `./scripts/soak --help`.

The servers are processes of the product (`driftpin serve`): one on SQLite, two on PostgreSQL, of
which the second is killed and started again. 200 agents push over HTTP, 2,000 chats are read,
refreshed, spoken in, made and deleted, streams are cut, agents start anew, and garbage is collected
with a short retention. What must hold: the memory and the handles of the first server do not grow
after a warm-up, acknowledgements come in time, and at the end every acknowledged state is there.
"""

import argparse
import asyncio
import random
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chaos.__main__ import keep, tell
from chaos.soak_servers import Meters, ServerProcess, look_at
from door import push_body
from driftpin.client import AgentClient, Client
from driftpin.clock import SystemClock
from driftpin.errors import DriftpinError, PushOutdated, RateLimited, Unavailable, Unreachable
from driftpin.identity import WORKER, RandomIds
from driftpin.operations.check_store import check_store
from driftpin.server.serve import bind, url_of
from driftpin.store.database import Database
from driftpin.store.store import Store
from driftpin.wire.agent import HelloRequest, PushRequest
from driftpin.wire.api import (
    CreateAgentRequest,
    CreateChatRequest,
    CreateWorkspaceRequest,
    RefreshRequest,
)
from driftpin.wire.turns import SendMessageRequest
from outcome import Outcome
from own_postgres import own_postgres

LONG_HOURS: Final = 2.0
AGENTS: Final = 200
CHATS: Final = 2_000
CALLS_PER_S: Final = 20.0
CALLERS: Final = 8
METER_S: Final = 5.0
WARM_UP_SHARE: Final = 0.3
# Shorter runs show that the program works; growth and times are told, not judged.
JUDGED_FROM_S: Final = 900
ACK_P99_MS: Final = {"sqlite": 250.0, "postgresql": 150.0}
GROWTH_MAX: Final = 0.05
KILL_EVERY_S: Final = 60.0
PASSING: Final = (Unavailable, Unreachable, RateLimited)


@dataclass(slots=True)
class SoakAgent:
    """An agent in this process: it pushes one state after the other and knows what was answered."""

    number: int
    workspace_id: str
    token: str
    run: int = 0
    incarnation: int = 0
    seq: int = 0
    edition: int = 0
    acknowledged: str = ""
    in_doubt: set[str] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def push(self, agent: AgentClient, outcome: Outcome, took_ms: list[float]) -> None:
        """Push a new state; what was not answered may have been taken."""
        async with self.lock:
            if self.incarnation == 0:
                await self._begin(agent)
            self.seq += 1
            self.edition += 1
            text = f"agent {self.number}, edition {self.edition}. " * 40
            body = push_body(seq=self.seq, incarnation=self.incarnation, AGENTS=text, SAME="same")
            began = time.perf_counter()
            self.in_doubt.add(body["digest"])
            try:
                reply = await agent.push(PushRequest.model_validate(body, strict=False))
            except PushOutdated:
                outcome.seen["pushes that said hello again"] += 1
                self.incarnation = 0
                return
            took_ms.append((time.perf_counter() - began) * 1000)
            outcome.seen["acknowledged pushes"] += 1
            self.acknowledged = reply.head.digest
            self.in_doubt.clear()

    async def _begin(self, agent: AgentClient) -> None:
        said = await agent.hello(HelloRequest(run_id=f"run-{self.number}-{self.run}"))
        self.incarnation = said.incarnation
        is_own = said.head is not None and said.head.incarnation == said.incarnation
        self.seq = said.head.seq if said.head is not None and is_own else 0

    def restart(self) -> None:
        """Go on as a new run."""
        self.run += 1
        self.incarnation = 0

    def may_be_at(self, digest: str | None) -> bool:
        """Whether the server may have this head: the newest acknowledged, or one behind it."""
        return digest == self.acknowledged or digest in self.in_doubt


class Soak:
    """Traffic against running servers."""

    def __init__(self, servers: list[ServerProcess], seed: int, outcome: Outcome) -> None:
        self._servers = servers
        self._draw = random.Random(seed)
        self._outcome = outcome
        self._agents: list[SoakAgent] = []
        self._chats: list[str] = []
        self._clients: list[Client] = []
        self._doors: list[dict[int, AgentClient]] = [{} for _ in servers]
        self.ack_ms: list[float] = []

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Keep connections to every server until this is left."""
        async with AsyncExitStack() as stack:
            token = self._servers[0].token()
            for server in self._servers:
                self._clients.append(await stack.enter_async_context(Client(server.url, token)))
            yield
            for doors in self._doors:
                for agent in doors.values():
                    await agent.__aexit__(None, None, None)

    async def populate(self) -> None:
        """Make 200 workspaces with an agent each, and 2,000 chats."""
        client = self._clients[0]
        for number in range(AGENTS):
            workspace = await client.create_workspace(CreateWorkspaceRequest(name=str(number)))
            enrolled = await client.enrol_agent(workspace.id, CreateAgentRequest())
            self._agents.append(SoakAgent(number, workspace.id, enrolled.token))
            await self._push(self._agents[-1], 0)
            for _ in range(CHATS // AGENTS):
                await self._create(client, self._agents[-1])
        self.ack_ms.clear()

    async def run(self, end_s: float) -> None:
        """Call steadily until then; every caller waits for its turn."""
        await asyncio.gather(*(self._call_until(end_s) for _ in range(CALLERS)))

    async def _call_until(self, end_s: float) -> None:
        while time.monotonic() < end_s:
            due = time.monotonic() + CALLERS / CALLS_PER_S
            try:
                await self._one()
            except PASSING as failure:
                self._outcome.seen[f"passing refusals: {failure.code}"] += 1
            except DriftpinError as failure:
                if failure.code not in {"not_found", "head_moved", "chat_busy", "no_snapshot"}:
                    self._outcome.broken.append(f"{failure.code}: {failure.message}")
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _one(self) -> None:
        side = self._draw.randrange(len(self._servers))
        client, agent = self._clients[side], self._draw.choice(self._agents)
        chat_id = self._draw.choice(self._chats)
        self._outcome.seen["calls"] += 1
        match self._draw.choices(range(7), (35, 20, 20, 10, 10, 3, 2))[0]:
            case 0:
                await self._push(agent, side)
            case 1:
                await client.get_chat(chat_id)
            case 2:
                await client.refresh_context(chat_id, RefreshRequest())
            case 3:
                await client.send_message(chat_id, SendMessageRequest(text="hello"))
                self._outcome.seen["turns"] += 1
            case 4:
                await self._create(client, agent)
                if chat_id in self._chats:
                    self._chats.remove(chat_id)
                    await client.delete_chat(chat_id)
            case 5:
                agent.restart()
                self._outcome.seen["restarted agents"] += 1
            case _:
                await self._cut_stream(client)

    async def _push(self, agent: SoakAgent, side: int) -> None:
        doors = self._doors[side]
        if agent.number not in doors:
            doors[agent.number] = AgentClient(self._servers[side].url, agent.token)
        await agent.push(doors[agent.number], self._outcome, self.ack_ms)

    async def _create(self, client: Client, agent: SoakAgent) -> None:
        chat = await client.create_chat(CreateChatRequest(workspace_id=agent.workspace_id))
        self._chats.append(chat.id)

    async def _cut_stream(self, client: Client) -> None:
        async with client.watch_events() as told:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await anext(told)
        self._outcome.seen["cut streams"] += 1

    async def compare_heads(self) -> None:
        """Break the run for every workspace whose head is not what was acknowledged."""
        for agent in self._agents:
            head = (await self._clients[0].get_workspace_context(agent.workspace_id)).snapshot
            if not agent.may_be_at(head):
                self._outcome.broken.append(
                    f"agent {agent.number}: {agent.acknowledged} was acknowledged, {head} is there"
                )
            self._outcome.seen["compared heads"] += 1


async def soak(engine: str, seconds: float, seed: int) -> Outcome:
    """Run for as long, and return what was met."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="soak-") as name, _database(engine, Path(name)) as url:
        servers = [
            ServerProcess(Path(name) / f"state-{number}", url, _free_port())
            for number in range(1 if engine == "sqlite" else 2)
        ]
        try:
            for server in servers:
                await server.start()
            await _traffic(servers, seconds, seed, outcome, engine)
        finally:
            for server in servers:
                await server.end(signal.SIGTERM)
        await _check(url, outcome)
    return outcome


async def _traffic(
    servers: list[ServerProcess], seconds: float, seed: int, outcome: Outcome, engine: str
) -> None:
    traffic = Soak(servers, seed, outcome)
    meters: list[Meters] = []
    async with traffic.connected():
        await traffic.populate()
        began_s = time.monotonic()
        chaos = [asyncio.create_task(_meter(servers[0], began_s, meters))]
        if len(servers) > 1:
            chaos.append(asyncio.create_task(_kill_now_and_then(servers[1], seconds, outcome)))
        await traffic.run(began_s + seconds)
        for task in chaos:
            task.cancel()
        await asyncio.gather(*chaos, return_exceptions=True)
        for server in servers[1:]:
            if server.process is None or server.process.returncode is not None:
                await server.start()
        await traffic.compare_heads()
    _judge(outcome, meters, traffic.ack_ms, seconds, ACK_P99_MS[engine])


async def _meter(server: ServerProcess, began_s: float, meters: list[Meters]) -> None:
    while True:
        await asyncio.sleep(METER_S)
        meters.append(look_at(server, time.monotonic() - began_s))


async def _kill_now_and_then(server: ServerProcess, seconds: float, outcome: Outcome) -> None:
    while True:
        await asyncio.sleep(min(KILL_EVERY_S, seconds / 3))
        await server.end(signal.SIGKILL)
        outcome.seen["killed replicas"] += 1
        await server.start()


def _judge(
    outcome: Outcome, meters: list[Meters], ack_ms: list[float], seconds: float, p99_max_ms: float
) -> None:
    """Compare the beginning after the warm-up with the end."""
    settled = [each for each in meters if each.at_s >= seconds * WARM_UP_SHARE]
    part = max(1, len(settled) // 4)
    first, last = settled[:part], settled[-part:]
    measured = outcome.measured
    for name in ("memory_bytes", "handles", "sockets", "threads", "wal_bytes"):
        for when, some in (("after_warm_up", first), ("at_the_end", last)):
            value = statistics.median(getattr(each, name) for each in some)
            measured[f"{name}_{when}"] = value
    measured["wal_bytes_most"] = max(each.wal_bytes for each in meters)
    before, after = (measured[f"memory_bytes_{when}"] for when in ("after_warm_up", "at_the_end"))
    measured["memory_growth"] = round(after / before - 1, 4)
    # Connections come and go with callers; files and pipes must not.
    grown = min(each.handles for each in last) - max(each.handles for each in first)
    measured["handle_growth"] = max(0, grown)
    measured["ack_p99_ms"] = round(statistics.quantiles(ack_ms, n=100)[-1], 1)
    outcome.require("acknowledged pushes", "turns", "restarted agents", "cut streams")
    if seconds < JUDGED_FROM_S:
        return
    if measured["memory_growth"] >= GROWTH_MAX:
        outcome.broken.append(f"memory grew by {measured['memory_growth']:.1%}")
    if measured["handle_growth"] > 0:
        outcome.broken.append(f"{measured['handle_growth']:g} handles more than after the warm-up")
    if measured["ack_p99_ms"] >= p99_max_ms:
        outcome.broken.append(f"99 % of pushes took up to {measured['ack_p99_ms']} ms")


async def _check(url: str, outcome: Outcome) -> None:
    database = Database(url, clock=SystemClock(), ids=RandomIds())
    findings = await check_store(Store(database), WORKER)
    await database.close()
    outcome.seen["checks of the whole store"] += 1
    outcome.broken += [f"fsck: {finding.id}" for finding in findings]


@contextmanager
def _database(engine: str, directory: Path) -> Iterator[str]:
    if engine == "sqlite":
        yield f"sqlite:///{directory / 'state-0' / 'driftpin.db'}"
        return
    with own_postgres() as server:
        yield server.url


def _free_port() -> int:
    with bind("127.0.0.1", 0) as listener:
        return int(url_of(listener).rpartition(":")[2])


def main() -> int:
    """Return 1 if any promise broke."""
    parser = argparse.ArgumentParser(prog="./scripts/soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=LONG_HOURS, help="how long; 2 without")
    parser.add_argument("--seed", type=int, help="repeats the calls; a fresh one without")
    parser.add_argument("--engine", choices=list(ACK_P99_MS), default="sqlite")
    parser.add_argument("--keep", action="store_true", help="write docs/reference/evidence/*.json")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    began_s = time.monotonic()
    outcome = asyncio.run(soak(asked.engine, asked.hours * 3600, seed))
    record: Mapping[str, Any] = {
        "run": f"soak-{asked.engine}",
        "count": round(asked.hours * 60),
        "unit": "minutes",
        "share_of_long_run": round(asked.hours / LONG_HOURS, 4),
        "seed": seed,
        "seconds": round(time.monotonic() - began_s),
        "figures": dict(outcome.figures()),
        "broken": outcome.broken,
    }
    tell(record)
    if asked.keep:
        keep(record)
    return int(bool(outcome.broken))


if __name__ == "__main__":
    raise SystemExit(main())
