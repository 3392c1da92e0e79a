"""The agent's pushing end on a server that stands behind something, and the truth behind both."""

import asyncio
import json
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from agent_runtime.world import state_with
from driftpin import limits
from driftpin.agent.push import Pusher
from driftpin.agent.waiting import Backoff
from driftpin.client import AgentClient
from driftpin.clock import Clock, SystemClock
from driftpin.errors import DriftpinError
from driftpin.wire.agent import BlobsRequest, HelloReply, HelloRequest, PushReply, PushRequest
from served import Site, open_site

WAIT_S = 30.0
# Waits stay jittered and growing, in proportion, and take no time worth mentioning.
SHARE_OF_WAITS = 0.02


class CountingControlPlane:
    """A server as the agent sees it; counts what became of each push, as the agent was told."""

    def __init__(self, server: AgentClient, seen: Counter[str]) -> None:
        self._server = server
        self._seen = seen

    async def hello(self, request: HelloRequest) -> HelloReply:
        return await self._server.hello(request)

    async def upload_blobs(self, request: BlobsRequest) -> object:
        return await self._server.upload_blobs(request)

    async def push(self, request: PushRequest) -> PushReply:
        try:
            reply = await self._server.push(request)
        except DriftpinError as refusal:
            self._seen[refusal.code] += 1
            raise
        self._seen[reply.result] += 1
        return reply


@dataclass(slots=True)
class PushingAgent:
    """A run of an agent that pushes states one after the other, each once it is offered."""

    pusher: Pusher
    task: asyncio.Task[None]
    wait_s: float = WAIT_S
    offered: list[str] = field(default_factory=list)

    async def deliver(self, *bodies: bytes) -> None:
        """Offer a state and return when the server holds it, or raise what ended the run."""
        number = len(self.offered) + 1
        state = state_with(number, *bodies)
        self.offered.append(state.snapshot.digest)
        self.pusher.offer(state)
        waiting = asyncio.create_task(self.pusher.delivered.wait(number))
        try:
            async with asyncio.timeout(self.wait_s):
                await asyncio.wait({waiting, self.task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self.task.done():
            self.task.result()
        assert (await asyncio.gather(waiting, return_exceptions=True))[0] is not None


@asynccontextmanager
async def pushing_agent(
    url: str,
    token: str,
    run_id: str,
    seen: Counter[str],
    *,
    wait_s: float = WAIT_S,
    share_of_waits: float = SHARE_OF_WAITS,
    answer_timeout_s: float = limits.AGENT_ANSWER_TIMEOUT_S,
) -> AsyncIterator[PushingAgent]:
    """Give a run of an agent that reaches the server at `url`."""
    draw = random.Random(run_id)
    async with AgentClient(url, token, answer_timeout_s=answer_timeout_s) as client:
        pusher = Pusher(
            CountingControlPlane(client, seen),
            HelloRequest(run_id=run_id),
            clock=SystemClock(),
            ask_for_pass=lambda: None,
            backoff=Backoff(lambda: draw.random() * share_of_waits),
        )
        task: asyncio.Task[None] = asyncio.create_task(pusher.run())
        try:
            yield PushingAgent(pusher, task, wait_s)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def open_fresh_site(directory: Path, clock: Clock | None = None) -> AsyncIterator[Site]:
    """Serve from a fresh SQLite database in the directory."""
    async with open_site(f"sqlite:///{directory / 'driftpin.db'}", clock=clock) as site:
        yield site


@dataclass(frozen=True, slots=True)
class StoredHead:
    """A head as the database has it."""

    incarnation: int
    seq: int
    digest: str


def stored_heads(directory: Path) -> list[StoredHead]:
    """Return every head of the only agent, in the order in which their events were stored.

    A head without its event, or an event without its head, makes the two lists differ in length.
    """
    with closing(sqlite3.connect(directory / "driftpin.db")) as database:
        numbers = {
            "sha256:" + digest.hex(): (incarnation, seq)
            for digest, incarnation, seq in database.execute(
                "SELECT digest, incarnation, seq FROM agent_heads"
            )
        }
        told = [
            json.loads(payload)["digest"]
            for (payload,) in database.execute(
                "SELECT payload FROM events WHERE kind = 'agent.head' ORDER BY id"
            )
        ]
    assert len(told) == len(numbers), "one event for each head, one head for each event"
    return [StoredHead(*numbers[digest], digest) for digest in told]


__all__ = [
    "WAIT_S",
    "CountingControlPlane",
    "PushingAgent",
    "StoredHead",
    "open_fresh_site",
    "pushing_agent",
    "stored_heads",
]
