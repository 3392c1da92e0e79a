"""X14: PostgreSQL stops under load, by its operator or by a crash, stays away, and comes back.

Clients of two servers work on. What they are told meanwhile is 503 with a time to come back, and
nothing else; what they were told before is there after it.
"""

import asyncio
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from faults.http_hands import HttpHands, http_hands
from faults.kills import RECOVERY_MAX_S, Acks
from faults.load import LoadClient, merged, p99
from faults.looks import audit
from faults.places import opened, settle
from outcome import Outcome
from own_postgres import OwnPostgres, own_postgres
from replicas import START_S, replica

CLIENTS: Final = 4
DOWN_MAX_S: Final = 5.0
MODES: Final = ("fast", "immediate")
ACKS_BEFORE: Final = 20


@dataclass(slots=True)
class Restarts:
    """One PostgreSQL, two servers on it, and their clients."""

    postgres: OwnPostgres
    token: str
    random: random.Random
    outcome: Outcome
    clients: list[LoadClient] = field(default_factory=list)
    acks: list[Acks] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    recoveries_s: list[float] = field(default_factory=list)

    async def carry_out(self, count: int, down_max_s: float) -> None:
        """Restart so many times, then stop working and compare."""
        async with AsyncExitStack() as stack:
            urls = [
                (await stack.enter_async_context(replica(self.postgres.url, token=self.token))).url
                for _ in range(2)
            ]
            working = [await self._start_client(stack, urls[n % 2]) for n in range(CLIENTS)]
            for number in range(count):
                await self._restart(MODES[number % 2], self.random.uniform(0, down_max_s))
            self.stopping.set()
            async with asyncio.timeout(2 * START_S):
                await asyncio.gather(*working)
            await self._compare()
        self.outcome.measured["recovery_p99_s"] = p99(self.recoveries_s)

    async def _start_client(self, stack: AsyncExitStack, url: str) -> asyncio.Task[None]:
        hands: HttpHands = await stack.enter_async_context(http_hands(url, self.token))
        acks = Acks()
        client = LoadClient(random.Random(self.random.random()), self.outcome, acks.heard)
        await client.set_up(hands)
        self.clients.append(client)
        self.acks.append(acks)
        return asyncio.create_task(client.persist(hands, self.stopping))

    async def _restart(self, mode: str, down_s: float) -> None:
        await self._all_answered(ACKS_BEFORE)
        await asyncio.to_thread(self.postgres.stop, mode)
        await asyncio.wait({asyncio.create_task(self.stopping.wait())}, timeout=down_s)
        await asyncio.to_thread(self.postgres.start)
        began_s = time.monotonic()
        await self._all_answered(1)
        self.recoveries_s.append(time.monotonic() - began_s)
        self.outcome.seen[f"restarts, {mode}"] += 1

    async def _all_answered(self, times: int) -> None:
        await asyncio.gather(*(acks.wait_for(times) for acks in self.acks))

    async def _compare(self) -> None:
        async with opened(self.postgres.url) as store:
            self.outcome.broken += await audit(
                store, merged([client.ledger for client in self.clients])
            )
            for client in self.clients:
                self.outcome.broken += await client.compare(store)


async def restart_under_load(count: int, seed: int, *, down_max_s: float = DOWN_MAX_S) -> Outcome:
    """Restart a PostgreSQL of its own so many times."""
    outcome = Outcome()
    with own_postgres() as postgres:
        place = await settle(postgres.url)
        restarts = Restarts(postgres, place.token, random.Random(seed), outcome)
        await restarts.carry_out(count, down_max_s)
    return outcome


def run(count: int, seed: int) -> Outcome:
    """Restart PostgreSQL `count` times, stopped and crashed in turn."""
    outcome = asyncio.run(restart_under_load(count, seed))
    outcome.require("acknowledged", *(f"restarts, {mode}" for mode in MODES[:count]))
    if not any(name.startswith("503") for name in outcome.seen):
        outcome.broken.append("nobody was refused while PostgreSQL was away")
    if outcome.measured["recovery_p99_s"] > RECOVERY_MAX_S:
        outcome.broken.append(f"recovery took {outcome.measured['recovery_p99_s']} s")
    return outcome


__all__ = ["restart_under_load", "run"]
