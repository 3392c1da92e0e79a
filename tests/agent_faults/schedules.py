"""Recorded pushes that are sent again, later, twice at once, and in another order.

A schedule is one run of an agent that pushes a few states through a proxy which keeps every push it
sees. It doubles some, holds some until after the next one, repeats any that it ever saw, of this
run or an earlier one, and delivers one an hour late. Whatever comes late is stale, fenced or a
duplicate: the head never goes back, and every accepted (incarnation, seq) is above the one before.
"""

import asyncio
import itertools
import json
import random
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from agent_faults.pushing_through import open_fresh_site, pushing_agent, stored_heads
from http_proxy import HttpProxy, Message, http_proxied
from outcome import Outcome
from served import Site
from stepping import ShiftedClock

PUSH = "POST /api/v1/agent/snapshots "
STATES = 2
KEPT_MAX = 200
LATE = timedelta(hours=1)
TRICKS = ("pass", "double", "both_at_once", "hold", "lose_answer", "repeat", "beside_an_old_one")
REPEATED = ("duplicate", "stale", "fenced")
# What a push may come to that has arrived before.
HARMLESS = {*REPEATED, "rate_limited"}


@dataclass(slots=True)
class Mischief:
    """What the proxy does to pushes; everything else passes."""

    proxy: HttpProxy
    draw: random.Random
    outcome: Outcome
    kept: list[Message] = field(default_factory=list)
    held: list[Message] = field(default_factory=list)

    async def handle(self, request: Message) -> Message | None:
        """Return the answer that the agent gets; None cuts it off."""
        if not request.first_line.startswith(PUSH):
            return await self.proxy.forward(request)
        trick = self.draw.choice(TRICKS)
        self.outcome.seen[trick] += 1
        answer = await self._play(trick, request)
        self.kept = [*self.kept[-KEPT_MAX:], request]
        if trick == "repeat":
            await self.again(self.draw.choice(self.kept))
        # What was held comes after whatever overtook it.
        if answer is not None and self.draw.random() < 0.5:
            await self.release()
        return answer

    async def _play(self, trick: str, request: Message) -> Message | None:
        match trick:
            case "double":
                await self._arrive(request)
                return await self.again(request)
            case "both_at_once":
                return (await asyncio.gather(self._arrive(request), self._arrive(request)))[1]
            case "hold":
                self.held.append(request)
                return None
            case "lose_answer":
                await self._arrive(request)
                return None
            case "beside_an_old_one" if self.kept:
                old = self.draw.choice(self.kept)
                return (await asyncio.gather(self._arrive(request), self._arrive(old)))[0]
            case _:
                return await self._arrive(request)

    async def _arrive(self, request: Message) -> Message:
        answer = await self.proxy.forward(request)
        self.outcome.seen["arrived"] += 1
        self.outcome.seen[f"answered_{result_of(answer)}"] += 1
        return answer

    async def again(self, request: Message) -> Message:
        answer = await self._arrive(request)
        if result_of(answer) not in HARMLESS:
            self.outcome.broken.append(f"a push that had arrived came to {result_of(answer)!r}")
        return answer

    async def release(self) -> None:
        """Deliver what was held."""
        held, self.held = self.held, []
        for request in held:
            await self._arrive(request)


def result_of(answer: Message) -> str:
    """Return what a push came to: its result, or the code that it was refused with."""
    told = json.loads(answer.body)
    return str(told["result"] if answer.status == 200 else told["code"])


def run(count: int, seed: int) -> Outcome:
    """Carry out `count` schedules."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_run(Path(directory), count, random.Random(seed), outcome))
    outcome.require(*TRICKS, "delivered_late", *(f"answered_{code}" for code in REPEATED))
    outcome.require("answered_accepted")
    return outcome


async def _run(directory: Path, count: int, draw: random.Random, outcome: Outcome) -> None:
    clock = ShiftedClock()
    newest: list[str] = []
    async with open_fresh_site(directory, clock) as site:
        parts = urlsplit(site.url)
        assert parts.hostname is not None
        assert parts.port is not None
        async with http_proxied(parts.hostname, parts.port) as proxy:
            mischief = Mischief(proxy, draw, outcome)
            proxy.handle = mischief.handle
            for number in range(count):
                last = await _schedule(site, mischief, clock, number)
                newest.append(last)
    _judge([head.digest for head in stored_heads(directory)], newest, outcome)
    pairs = [(head.incarnation, head.seq) for head in stored_heads(directory)]
    if any(later <= earlier for earlier, later in itertools.pairwise(pairs)):
        outcome.broken.append("an accepted pair was not above the one before it")
    outcome.seen["schedules"] = count
    outcome.seen["heads"] = len(pairs)


async def _schedule(site: Site, mischief: Mischief, clock: ShiftedClock, number: int) -> str:
    draw, seen = mischief.draw, mischief.outcome.seen
    async with pushing_agent(mischief.proxy.url, site.agent_token, f"run-{number}", seen) as agent:
        for _ in range(STATES):
            await agent.deliver(draw.randbytes(200))
            await _expect_head(site, agent.offered[-1], mischief)
        late = draw.choice(mischief.kept)
    clock.off_by += LATE
    await mischief.release()
    await mischief.again(late)
    seen["delivered_late"] += 1
    await _expect_head(site, agent.offered[-1], mischief)
    return agent.offered[-1]


async def _expect_head(site: Site, digest: str, mischief: Mischief) -> None:
    head = (await site.client.get_agent(site.agent_id)).head
    if head is None or head.digest != digest:
        mischief.outcome.broken.append("the head went back")


def _judge(stored: list[str], newest: list[str], outcome: Outcome) -> None:
    """Every schedule's last state became a head once, and they did in order."""
    if len(set(stored)) != len(stored):
        outcome.broken.append("a state became the head twice")
    if [digest for digest in stored if digest in set(newest)] != newest:
        outcome.broken.append("the heads are not in the order in which they were delivered")


__all__ = ["run"]
