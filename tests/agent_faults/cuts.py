"""Connections cut at a byte of an agent's calls, in a request or in an answer.

However a call is cut, the server has stored all of a push or nothing, and the agent goes on until
its newest state is the head: once, with one event.
"""

import asyncio
import random
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from agent_faults.pushing_through import (
    PushingAgent,
    open_fresh_site,
    pushing_agent,
    stored_heads,
)
from outcome import Outcome
from served import Site
from tcp_proxy import Plan, TcpProxy, proxied, target_of

CALL = re.compile(rb"POST /api/v1/agent/(\w+) ")
SMALL_BYTES = 600
# More than travels inside a push, so that it goes ahead of it.
LARGE_BYTES = 60_000
LARGE_BODIES = 5
REPLY_BYTES = 500
SHARES = {"hello": 0.2, "small": 0.5, "large": 0.3}


@dataclass(slots=True)
class Knife:
    """Cuts every connection once so many more bytes have gone one way."""

    seen: Outcome
    proxy: TcpProxy | None = None
    left_there: int | None = None
    left_back: int | None = None
    call: str = ""
    cuts: int = 0

    def there(self, chunk: bytes) -> bytes:
        """Return what of a chunk still gets to the server."""
        for found in CALL.finditer(chunk):
            self.call = found[1].decode()
        if self.left_there is None:
            return chunk
        passed, self.left_there = chunk[: self.left_there], self.left_there - len(chunk)
        if self.left_there <= 0:
            self._cut("request")
        return passed

    def back(self, chunk: bytes) -> bytes:
        """Return what of a chunk still gets to the agent."""
        if self.left_back is None:
            return chunk
        passed, self.left_back = chunk[: self.left_back], self.left_back - len(chunk)
        if self.left_back <= 0:
            self._cut("answer")
        return passed

    def _cut(self, what: str) -> None:
        assert self.proxy is not None, "the knife is in a proxy's hand"
        self.left_there = self.left_back = None
        self.cuts += 1
        self.seen.seen[f"cut_{what}_{self.call}"] += 1
        # After what was passed on is written.
        asyncio.get_running_loop().call_soon(self.proxy.cut_all)

    def lay_down(self) -> None:
        """Cut nothing any more."""
        self.left_there = self.left_back = None


@dataclass(slots=True)
class KnifePlan(Plan):
    """A connection under the knife."""

    knife: Knife

    async def to_server(self, chunk: bytes) -> bytes:
        """Pass on what is not cut off."""
        return self.knife.there(chunk)

    async def to_client(self, chunk: bytes) -> bytes:
        """Pass on what is not cut off."""
        return self.knife.back(chunk)


@dataclass(slots=True)
class CutRun:
    """One agent that pushes under the knife until so many cuts were made."""

    site: Site
    knife: Knife
    agent: PushingAgent
    draw: random.Random
    outcome: Outcome
    bodies: list[bytes] = field(default_factory=list)

    async def until(self, cuts: int) -> None:
        """Push states until so many connections were cut."""
        while self.knife.cuts < cuts:
            await self.push_one()

    async def push_one(self) -> None:
        """Push one state with the knife in hand; the head is that state afterwards."""
        (kind,) = self.draw.choices([*SHARES], [*SHARES.values()])
        self._take_aim(kind)
        if kind == "hello":
            self.agent.pusher.say_hello_again()
        await self.agent.deliver(*self._bodies_of(kind))
        self.knife.lay_down()
        head = (await self.site.client.get_agent(self.site.agent_id)).head
        if head is None or head.digest != self.agent.offered[-1]:
            self.outcome.broken.append(f"state {len(self.agent.offered)} was told held and is not")

    def _take_aim(self, kind: str) -> None:
        most = {"hello": 700, "small": SMALL_BYTES * 2 + 1_000}
        if self.draw.random() < 0.5:
            request_bytes = most.get(kind, LARGE_BODIES * LARGE_BYTES * 4 // 3 + 3_000)
            self.knife.left_there = self.draw.randrange(1, request_bytes)
        else:
            self.knife.left_back = self.draw.randrange(1, REPLY_BYTES)

    def _bodies_of(self, kind: str) -> list[bytes]:
        if kind == "large":
            return [self.draw.randbytes(LARGE_BYTES) for _ in range(LARGE_BODIES)]
        return [self.draw.randbytes(SMALL_BYTES)]


def run(count: int, seed: int) -> Outcome:
    """Cut `count` connections; no push may be lost, half stored, or told of twice."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_run(Path(directory), count, seed, outcome))
    outcome.require(
        *(
            f"cut_{what}_{call}"
            for what in ("request", "answer")
            for call in ("hello", "snapshots")
        ),
        "cut_request_blobs",
        "accepted",
        "duplicate",
    )
    return outcome


async def _run(directory: Path, count: int, seed: int, outcome: Outcome) -> None:
    knife = Knife(outcome)
    async with (
        open_fresh_site(directory) as site,
        proxied(target_of(site.url), lambda: KnifePlan(knife)) as proxy,
        pushing_agent(proxy.url, site.agent_token, f"cuts-{seed}", outcome.seen) as agent,
    ):
        knife.proxy = proxy
        cutting = CutRun(site, knife, agent, random.Random(seed), outcome)
        await cutting.until(count)
        offered = agent.offered
    outcome.seen["cuts"] = knife.cuts
    outcome.seen["states"] = len(offered)
    stored = [head.digest for head in stored_heads(directory)]
    if stored != offered:
        outcome.broken.append(f"{len(offered)} states were pushed, and {len(stored)} were stored")


__all__ = ["Knife", "KnifePlan", "run"]
