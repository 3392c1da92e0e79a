"""The server of a simulated world: the product's operations and streams over a real database.

A request is one step, as it is on SQLite, where one transaction writes at a time. The server may be
killed inside of it at a failpoint, which undoes it, or behind it, which loses the answer.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from door import open_services
from driftpin.errors import BlobsMissing, DriftpinError, PushOutdated, Unavailable, Unreachable
from driftpin.failpoints import Failpoint
from driftpin.identity import Actor, AgentId, Digest
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.say_hello import say_hello
from driftpin.operations.store_blobs import store_blobs
from driftpin.server.services import Services
from driftpin.server.tailer import Tailer
from driftpin.store.store import Store
from driftpin.store.values import HelloOutcome
from driftpin.wire.agent import (
    BlobsRequest,
    HeadShape,
    HelloReply,
    HelloRequest,
    PushReply,
    PushRequest,
)
from driftpin.wire.push import read_blobs, read_manifest, read_observations
from world.clocks import SkewedClock
from world.kernel import FOR_EVER_S, Kernel

Answer = TypeVar("Answer")
FAILPOINTS_LOOKED_AT = 8


class ServerKilled(BaseException):
    """The process is gone; whatever was not committed never was."""


@dataclass(slots=True)
class ServedLink:
    """A link as the server holds it; `ended` is set once it is closed."""

    agent_id: AgentId
    incarnation: int
    ended: asyncio.Event


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """An agent's run asks for a link."""

    incarnation: int


class SteppedTailer(Tailer):
    """The product's, waiting on virtual time."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self._kernel = kernel

    async def wait(self, seen: int, timeout_s: float | None = None) -> bool:
        if self.count > seen:
            return True
        # No wake-up is lost inside of one process, so a look without one finds nothing.
        moved = self._moved
        await self._kernel.wait(moved, FOR_EVER_S)
        return True

    async def rest(self, seen: int, _period_s: float) -> bool:
        return await self.wait(seen)


class WorldServer:
    """Serves requests while it is up. `streams` are the tasks that end with its process."""

    def __init__(self, store: Store, kernel: Kernel, clock: SkewedClock) -> None:
        self.store = store
        self.kernel = kernel
        self.clock = clock
        self.seen: Counter[str] = Counter()
        self.is_up = True
        self.may_die = True
        self.on_death: Callable[[], object] = bool
        self.links: list[ServedLink] = []
        self._dies_at: int | None = None
        self._services: Services | None = None

    @property
    def services(self) -> Services:
        assert self._services is not None, "the server was started"
        return self._services

    async def start(self) -> None:
        """Compose what a server composes; again after each death."""
        services = await open_services(self.store, self.clock)
        tailer = SteppedTailer(self.kernel)
        self.store.database.announce_commits_to(tailer.wake)
        self._services = replace(services, tailer=tailer)

    async def reach(self, _: Failpoint) -> None:
        """Die here, if the time has come."""
        if self._dies_at is not None:
            self._dies_at -= 1
            if self._dies_at < 0:
                raise ServerKilled

    async def serve(self, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Do the work of one request; raises Unreachable when the server is down or dies of it."""
        if not self.is_up:
            raise Unreachable("connection refused")
        draw = self.kernel.random
        dies = self.may_die and draw.random() < 0.015
        is_inside = dies and draw.random() < 0.6
        self._dies_at = draw.randrange(FAILPOINTS_LOOKED_AT) if is_inside else None
        try:
            answer = await work()
        except ServerKilled:
            self.seen["servers killed in a transaction"] += 1
            await self._die()
            raise Unreachable("the connection broke") from None
        except DriftpinError:
            raise
        except Exception as fault:
            self.kernel.breaks(f"the server failed: {fault!r}"[:300])
            raise Unavailable("the server failed", code="internal_error") from fault
        finally:
            self._dies_at = None
        if dies:
            self.seen["servers killed before the answer"] += 1
            await self._die()
            raise Unreachable("the connection broke")
        return answer

    async def _die(self) -> None:
        self.is_up = False
        self.on_death()
        for link in self.links:
            link.ended.set()
        self.links.clear()
        await self.store.database.close()
        self.kernel.after(self.kernel.random.uniform(0.1, 6), "the server is back", self._come_back)

    async def _come_back(self) -> None:
        await self.start()
        self.is_up = True

    async def handle(self, actor: Actor, request: object) -> Any:
        """Answer an agent."""
        match request:
            case HelloRequest():
                return await self.serve(lambda: self._hello(actor, request))
            case PushRequest():
                return await self.serve(lambda: self._push(actor, request))
            case BlobsRequest():
                return await self.serve(
                    lambda: store_blobs(self.store, actor, read_blobs(request.blobs))
                )
            case LinkRequest():
                return await self.serve(lambda: self._link(actor, request.incarnation))
        raise AssertionError(request)

    async def _hello(self, actor: Actor, asked: HelloRequest) -> HelloReply:
        outcome = await say_hello(
            self.store,
            actor,
            run_id=asked.run_id,
            hostname=asked.hostname,
            os=asked.os,
            version=asked.version,
            roots=asked.roots,
        )
        self.close_links(outcome.agent_id, below=outcome.incarnation)
        return HelloReply(
            agent_id=outcome.agent_id,
            workspace_id=outcome.workspace_id,
            incarnation=outcome.incarnation,
            head=_head_of(outcome),
        )

    async def _push(self, actor: Actor, pushed: PushRequest) -> PushReply:
        try:
            return await self._accept(actor, pushed)
        except (PushOutdated, BlobsMissing) as refusal:
            self.seen[f"pushes refused as {refusal.code}"] += 1
            raise

    async def _accept(self, actor: Actor, pushed: PushRequest) -> PushReply:
        claimed = None if pushed.digest is None else Digest(pushed.digest)
        snapshot = read_manifest(pushed.manifest, claimed)
        outcome = await accept_snapshot(
            self.store,
            actor,
            incarnation=pushed.incarnation,
            seq=pushed.seq,
            snapshot=snapshot,
            observations=read_observations(pushed.observations),
            blobs=read_blobs(pushed.blobs, snapshot),
        )
        self.seen[f"pushes {outcome.result.value}"] += 1
        head = HeadShape(
            digest=outcome.head.digest, incarnation=outcome.incarnation, seq=outcome.seq
        )
        return PushReply(result=outcome.result.value, head=head)

    async def _link(self, actor: Actor, incarnation: int) -> ServedLink:
        assert actor.agent_id is not None
        agent = await self.store.get_agent(actor, actor.agent_id)
        if incarnation < agent.incarnation:
            raise Unavailable("the server answered 409", code="link_refused")
        self.close_links(agent.id, below=incarnation + 1)
        link = ServedLink(agent.id, incarnation, asyncio.Event())
        self.links.append(link)
        return link

    def close_links(self, agent_id: AgentId, *, below: int) -> None:
        """End the links of older runs, as the server does when a newer one says hello."""
        for link in tuple(self.links):
            if link.agent_id == agent_id and link.incarnation < below:
                self.end_link(link)

    def end_link(self, link: ServedLink) -> None:
        """End one link; its agent notices a moment later."""

        async def notice() -> None:
            link.ended.set()

        if link in self.links:
            self.links.remove(link)
        self.kernel.after(self.kernel.random.uniform(0.001, 2), "a link ended", notice)


def _head_of(outcome: HelloOutcome) -> HeadShape | None:
    if outcome.head is None:
        return None
    return HeadShape(
        digest=outcome.head.digest, incarnation=outcome.incarnation, seq=outcome.head_seq
    )


__all__ = ["LinkRequest", "ServedLink", "ServerKilled", "SteppedTailer", "WorldServer"]
