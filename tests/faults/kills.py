"""SIGKILL of a whole server under load, and a restart on the same data, again and again.

Several clients push, create, refresh, roll back and talk, and one listens. After each restart they
send again what was not answered; then every row must be what they were told, no more and no less.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from driftpin.client import Client
from driftpin.errors import Unreachable
from driftpin.models.registry import get_model
from faults.deeds import carry_out_turns
from faults.http_hands import HttpHands, http_hands
from faults.load import Listener, LoadClient, merged, p99, told_heads, unfinished_turns
from faults.looks import audit
from faults.places import both_engines, opened, settle
from outcome import Outcome
from replicas import START_S, Replica, replica

CLIENTS: Final = 4
ACKS_MAX: Final = 60
# Longer than the lease of a turn.
RECOVERY_MAX_S: Final = 10.0


@dataclass(slots=True)
class Acks:
    """Counts answers, and wakes whoever waits for some number of them."""

    count: int = 0
    wanted: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self) -> None:
        self.count += 1
        if self.count >= self.wanted:
            self.reached.set()

    async def wait_for(self, more: int) -> None:
        """Wait for so many further answers; raises TimeoutError if not one of them came."""
        before = self.count
        self.reached.clear()
        self.wanted = before + more
        try:
            async with asyncio.timeout(START_S):
                await self.reached.wait()
        except TimeoutError:
            if self.count == before:
                raise


@dataclass(slots=True)
class Kills:
    """Cycles of load and kill on one database."""

    database_url: str
    token: str
    random: random.Random
    outcome: Outcome
    acks: Acks = field(default_factory=Acks)
    clients: list[LoadClient] = field(default_factory=list)
    listener: Listener = field(default_factory=Listener)
    told_before: int = 0
    port: int = 0
    recoveries_s: list[float] = field(default_factory=list)

    async def carry_out(self, cycles: int) -> None:
        """Kill so many times; the listener is one and the same throughout."""
        async with AsyncExitStack() as stack:
            listening = await self._begin(stack)
            for _ in range(cycles):
                await self._cycle()
            await self._end()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        self.outcome.measured["recovery_p99_s"] = p99(self.recoveries_s)

    async def _begin(self, stack: AsyncExitStack) -> asyncio.Task[None]:
        server = await stack.enter_async_context(self._server())
        self.port = int(server.url.rsplit(":", 1)[1])
        client = await stack.enter_async_context(Client(server.url, self.token))
        async with opened(self.database_url) as store:
            self.told_before = len(await told_heads(store))
        ready = asyncio.Event()
        listening = asyncio.create_task(self.listener.listen(client, ready))
        async with asyncio.timeout(START_S):
            await ready.wait()
        async with http_hands(server.url, self.token) as hands:
            for _ in range(CLIENTS):
                client_random = random.Random(self.random.random())
                self.clients.append(LoadClient(client_random, self.outcome, self.acks.heard))
                await self.clients[-1].set_up(hands)
        await server.kill()
        return listening

    def _server(self) -> AbstractAsyncContextManager[Replica]:
        return replica(self.database_url, token=self.token, port=self.port)

    async def _cycle(self) -> None:
        began_s = time.monotonic()
        async with self._server() as server, self._hands(server) as hands:
            await asyncio.gather(
                *(client.settle(hand) for client, hand in zip(self.clients, hands, strict=True))
            )
            self.recoveries_s.append(time.monotonic() - began_s)
            await self._compare()
            await self._work_until_killed(server, hands)
        self.outcome.seen["kills"] += 1
        self.outcome.seen["calls cut"] += sum(each.pending is not None for each in self.clients)

    async def _work_until_killed(self, server: Replica, hands: list[HttpHands]) -> None:
        """Work at a random moment's length; a call ends well, or because the server has died."""
        working = [
            asyncio.create_task(client.work(hand))
            for client, hand in zip(self.clients, hands, strict=True)
        ]
        enough = asyncio.create_task(self.acks.wait_for(self.random.randint(1, ACKS_MAX)))
        await asyncio.wait({enough, *working}, return_when=asyncio.FIRST_COMPLETED)
        await server.kill()
        enough.cancel()
        for ended in await asyncio.gather(*working, return_exceptions=True):
            if not isinstance(ended, Unreachable):
                self.outcome.broken.append(f"a call ended with {ended!r}")
        [too_few] = await asyncio.gather(enough, return_exceptions=True)
        if isinstance(too_few, TimeoutError):
            self.outcome.broken.append("nothing was answered for a long time")

    @asynccontextmanager
    async def _hands(self, server: Replica) -> AsyncIterator[list[HttpHands]]:
        async with AsyncExitStack() as stack:
            hands = []
            for client in self.clients:
                hand = await stack.enter_async_context(http_hands(server.url, self.token))
                await hand.add_agent(client.agent_id, client.agent_token)
                hands.append(hand)
            yield hands

    async def _compare(self) -> None:
        async with opened(self.database_url) as store:
            ledger = merged([client.ledger for client in self.clients])
            self.outcome.broken += await audit(store, ledger)
            for client in self.clients:
                self.outcome.broken += await client.compare(store)

    async def _end(self) -> None:
        """After the last restart everything has been answered, heard and carried out."""
        async with self._server() as server, self._hands(server) as hands:
            for client, hand in zip(self.clients, hands, strict=True):
                await client.settle(hand)
            await self._compare()
            async with opened(self.database_url) as store:
                told = (await told_heads(store))[self.told_before :]
            self.outcome.broken += await self.listener.wait_for(told, START_S)
            self.outcome.seen["events heard"] += len(self.listener.heads)
        async with opened(self.database_url) as store:
            await carry_out_turns(store, get_model("offline", {}))
            self.outcome.broken += await unfinished_turns(store)


async def kill_under_load(database_url: str, cycles: int, seed: int) -> Outcome:
    """Kill a server so many times on one database."""
    outcome = Outcome()
    place = await settle(database_url)
    await Kills(database_url, place.token, random.Random(seed), outcome).carry_out(cycles)
    return outcome


def run(count: int, seed: int) -> Outcome:
    """Kill `count` times, half of them on each database."""
    total = Outcome()
    with both_engines() as urls:
        for number, url in enumerate(urls):
            cycles = count // 2 + (count % 2 if number == 0 else 0)
            total.add(asyncio.run(kill_under_load(url, cycles, seed + number)))
    total.require("kills", "calls cut", "push duplicate", "events heard", "say said")
    if total.measured["recovery_p99_s"] > RECOVERY_MAX_S:
        total.broken.append(f"recovery took {total.measured['recovery_p99_s']} s")
    return total


__all__ = ["Acks", "Kills", "kill_under_load", "run"]
