"""Workspaces and the runs of their agents: the product's pusher and link over a fake network."""

import asyncio
import copy
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from agent_runtime.world import HeldBlobs
from driftpin.agent.link import Link, LinkConnection
from driftpin.agent.passes import WorkspaceState
from driftpin.agent.push import Pusher
from driftpin.agent.waiting import Backoff
from driftpin.context.manifest import Snapshot
from driftpin.context.resource import Observations
from driftpin.errors import DriftpinError
from driftpin.identity import Actor, Digest
from driftpin.wire.agent import (
    BlobsRequest,
    HelloReply,
    HelloRequest,
    PushReply,
    PushRequest,
)
from pushing import snapshot_with
from world.clocks import SkewedClock
from world.kernel import FOR_EVER_S, Kernel
from world.network import Road, call
from world.server import LinkRequest, ServedLink, WorldServer

NAMES: Final = ("AGENTS", "CLAUDE", "GEMINI")
DEBOUNCE_S: Final = 0.25
# Five of these do not fit inside one push.
LONG_TEXT: Final = "x" * 60_000
LONG_NAMES: Final = ("A", "B", "C", "D", "E")


@dataclass(slots=True)
class Disk:
    """The files of a workspace. Each state has a number of its own, even if it was there before."""

    texts: dict[str, str] = field(default_factory=lambda: {"AGENTS": "first"})
    generation: int = 1

    def edit(self, kernel: Kernel) -> None:
        """Change something, now and then back to what it was."""
        draw = kernel.random
        name = draw.choice(NAMES)
        self.generation += 1
        if name in self.texts and draw.random() < 0.2:
            del self.texts[name]
        elif draw.random() < 0.04:
            self.texts |= {each: f"{LONG_TEXT}{each}{self.generation}" for each in LONG_NAMES}
        elif draw.random() < 0.3:
            self.texts[name] = draw.choice(("be kind", "be quick"))
        else:
            self.texts[name] = f"text {self.generation}"

    def go_back(self, saved: dict[str, str]) -> None:
        """Be restored from an older image."""
        self.generation += 1
        self.texts = dict(saved)

    def snapshot(self) -> tuple[Snapshot, dict[Digest, bytes]]:
        return snapshot_with(**self.texts)


@dataclass(slots=True)
class SimulatedAgent:
    """An enrolled agent: its workspace, its runs, and everything that was said in its name."""

    name: str
    actor: Actor
    disk: Disk = field(default_factory=Disk)
    runs: list["Run"] = field(default_factory=list)
    # What was sent under (incarnation, seq), by any run; a restored run may contradict another.
    sent: dict[tuple[int, int], set[tuple[Digest, str]]] = field(default_factory=dict)
    acknowledged: dict[tuple[int, int], Digest] = field(default_factory=dict)

    def living(self) -> list["Run"]:
        return [run for run in self.runs if run.is_alive]


@dataclass(frozen=True, slots=True)
class Image:
    """A machine as it was: its disk, and the memory of the run on it."""

    texts: dict[str, str]
    run_id: str
    memory: dict[str, Any]


_MEMORY: Final = ("_numbering", "_acknowledged", "_refused", "_must_say_hello", "agent")


class Run:
    """One process of an agent."""

    def __init__(
        self, agent: SimulatedAgent, server: WorldServer, seen: Counter[str], run_id: str
    ) -> None:
        self.agent = agent
        self.run_id = run_id
        self.is_alive = False
        self.final: DriftpinError | None = None
        self.clock = SkewedClock(server.kernel)
        self.road = Road(server.kernel, seen)
        self._server = server
        self._kernel = server.kernel
        self._seen = seen
        self._sent: dict[tuple[int, int], tuple[Digest, str]] = {}
        self._newest_sent = (0, 0, 0)
        self._offered: dict[Digest, int] = {}
        self._passes = 0
        self._link: ServedLink | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.pusher = Pusher(
            self,
            HelloRequest(run_id=run_id),
            clock=self.clock,
            ask_for_pass=self._look_soon,
            backoff=Backoff(self._kernel.random.random),
            waiter=self._kernel.wait,
        )
        self._keeper = Link(
            self._dial,
            {},
            incarnation=self._incarnation,
            on_change=self.pusher.say_hello_again,
            clock=self.clock,
            backoff=Backoff(self._kernel.random.random),
            waiter=self._kernel.wait,
        )

    def start(self) -> None:
        """Begin to push what is on the disk, and hold a link once the server knows this run."""
        self.is_alive = True
        self.agent.runs.append(self)
        self._tasks = [self._kernel.spawn(self._push()), self._kernel.spawn(self._keep_link())]
        self.look()

    def kill(self) -> None:
        """End as a crash ends a process; what is on its way stays on its way."""
        self.is_alive = False
        for task in self._tasks:
            self._kernel.cancel(task)

    def image(self) -> Image:
        """Return everything that a snapshot of the machine would hold."""
        memory = {name: copy.copy(getattr(self.pusher, name)) for name in _MEMORY}
        return Image(dict(self.agent.disk.texts), self.run_id, memory)

    def remember(self, image: Image) -> None:
        """Take over the memory of an older moment; before `start`."""
        for name, value in image.memory.items():
            setattr(self.pusher, name, copy.copy(value))
        if self.pusher.agent is not None:
            self.pusher.introduced.set()

    def look(self, *, was_asked_for: bool = False) -> None:
        """Offer what is on the disk now."""
        if not self.is_alive:
            return
        self._passes += 1
        snapshot, blobs = self.agent.disk.snapshot()
        self._offered[snapshot.digest] = self.agent.disk.generation
        note = "slow disk" if self._kernel.chance(0.05) else ""
        self.pusher.offer(
            WorkspaceState(
                self._passes,
                snapshot,
                HeldBlobs(blobs, are_gone=self._kernel.chance(0.03)),
                Observations(degraded=note),
                was_asked_for,
            )
        )

    def cut_link(self) -> None:
        """End the link from the outside."""
        if self._link is not None:
            self._server.end_link(self._link)

    async def hello(self, request: HelloRequest) -> HelloReply:
        reply: HelloReply = await self._call("hello", request)
        return reply

    async def push(self, request: PushRequest) -> PushReply:
        self._check_number(request)
        reply: PushReply = await self._call("push", request)
        pair = (request.incarnation, request.seq)
        assert request.digest is not None
        self.agent.acknowledged[pair] = Digest(request.digest)
        self._seen["pushes acknowledged"] += 1
        return reply

    async def upload_blobs(self, request: BlobsRequest) -> object:
        self._seen["uploads"] += 1
        return await self._call("blobs", request)

    async def _call(self, what: str, request: object) -> Any:
        server, actor = self._server, self.agent.actor
        return await call(
            self.road, f"{what} of {self.run_id}", lambda: server.handle(actor, request)
        )

    def _check_number(self, request: PushRequest) -> None:
        """One number stands for one content, and a later number for nothing older."""
        pair = (request.incarnation, request.seq)
        assert request.digest is not None
        content = (
            Digest(request.digest),
            json.dumps(request.observations, sort_keys=True),
        )
        if self._sent.setdefault(pair, content) != content:
            self._kernel.breaks(f"{self.run_id} used {pair} for two contents")
        self.agent.sent.setdefault(pair, set()).add(content)
        generation = self._offered[content[0]]
        if pair > self._newest_sent[:2] and generation < self._newest_sent[2]:
            self._kernel.breaks(f"{self.run_id} sent an older state under {pair}")
        self._newest_sent = max(self._newest_sent, (*pair, generation))
        self._kernel.note("push", self.run_id, *pair, content[0])

    async def _push(self) -> None:
        try:
            await self.pusher.run()
        except DriftpinError as final:
            self._seen[f"runs stopped as {final.code}"] += 1
            self._kernel.note("stopped", self.run_id, final.code)
            self.final = final
            self.is_alive = False
            self._kernel.after(0.0, "a run stops", self._stop)

    async def _stop(self) -> None:
        self.kill()

    async def _keep_link(self) -> None:
        await self._kernel.wait(self.pusher.introduced, FOR_EVER_S)
        await self._keeper.run()

    def _incarnation(self) -> int:
        assert self.pusher.agent is not None
        return self.pusher.agent.incarnation

    @asynccontextmanager
    async def _dial(self, incarnation: int) -> AsyncIterator[LinkConnection]:
        self._link = await self._call("link", LinkRequest(incarnation))
        try:
            yield _HeldLink(self._kernel, self._link)
        finally:
            self._link = None

    def _look_soon(self) -> None:
        async def look() -> None:
            self.look()

        self._kernel.after(DEBOUNCE_S, f"{self.run_id} looks again", look)


@dataclass(frozen=True, slots=True)
class _HeldLink:
    kernel: Kernel
    link: ServedLink

    async def receive(self) -> bytes | None:
        await self.kernel.wait(self.link.ended, FOR_EVER_S)
        return None

    async def send(self, message: bytes) -> None:
        raise AssertionError("nobody calls in this world")


__all__ = ["DEBOUNCE_S", "Disk", "Image", "Run", "SimulatedAgent"]
