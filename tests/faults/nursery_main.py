"""Raises children that work on a store until they die at a named place.

Imports take longer than anything that a child does, so they are made once here; each line of JSON
on standard input is an order for one child, which is forked off, tells on standard output what it
does, and kills itself with SIGKILL at the failpoint that the order names, as a crash would. Then
`{"ended": …}` says how.
"""

import asyncio
import json
import os
import random
import signal
import sys
import traceback
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import alembic.runtime.environment  # noqa: F401 for children that migrate
import asyncpg  # noqa: F401 for children on PostgreSQL

from door import open_services
from driftpin.clock import SystemClock
from driftpin.failpoints import Failpoint
from driftpin.identity import Actor, RandomIds
from driftpin.server.event_stream import EventStream
from driftpin.store.database import Database
from driftpin.store.schema import prepare_schema
from driftpin.store.store import Store
from faults.deeds import Deed, Done, StoreHands, Verb
from faults.driver import Driver, World

DEEDS_MAX = 40


def tell(said: dict[str, Any]) -> None:
    """Say it in one write, so that a line is whole or not there."""
    os.write(sys.stdout.fileno(), (json.dumps(said) + "\n").encode())


@dataclass(slots=True)
class Killer:
    """Kills this process at the n-th time that the failpoint is reached."""

    failpoint: Failpoint
    hits: int

    async def __call__(self, failpoint: Failpoint) -> None:
        if failpoint is Failpoint.TOOL_SENT:
            tell({"sent": True})
        if failpoint is self.failpoint:
            self.hits -= 1
            if self.hits == 0:
                os.kill(os.getpid(), signal.SIGKILL)


@dataclass(slots=True)
class ChildHands:
    """Hands on the store that also listen to the stream of events, behind a cursor."""

    hands: StoreHands
    cursor: str

    async def perform(self, deed: Deed) -> Done:
        if deed.verb is not Verb.LISTEN:
            return await self.hands.perform(deed)
        async with aclosing(listen(self.hands.store, self.hands.owner, self.cursor)) as heard:
            async for digest, cursor in heard:
                self.cursor = cursor
                tell({"heard": digest, "cursor": cursor})
                if digest == deed.to:
                    break
        return Done("heard", digest=deed.to)

    async def found(self) -> tuple[str, str]:
        return await self.hands.found()


async def listen(store: Store, owner: Actor, cursor: str) -> AsyncGenerator[tuple[str, str], None]:
    """Give the digest of every `agent.head`, with the cursor behind it."""

    async def still_welcome() -> Actor:
        return owner

    services = await open_services(store, store.database.clock)
    stream = EventStream(services, still_welcome, owner)
    await stream.begin(cursor)
    async for event in stream.events():
        if event.event == "agent.head":
            assert event.id is not None
            assert isinstance(event.data, str)
            yield json.loads(event.data)["payload"]["digest"], event.id


async def work(order: dict[str, Any]) -> None:
    """Do what is ordered until the failpoint ends it, or until it was not met."""
    database = Database(
        order["database_url"],
        clock=SystemClock(),
        ids=RandomIds(),
        reach=Killer(Failpoint(order["failpoint"]), order["hits"]),
    )
    if "world" in order:
        store, world = Store(database), World(**order["world"])
        hands = ChildHands(StoreHands(store, world.owner), order["cursor"])
        driver = Driver(store, hands, world, random.Random(order["seed"]), tell)
        for number in range(DEEDS_MAX):
            await driver.do(Verb(order["verbs"][number % len(order["verbs"])]))
    else:
        await prepare_schema(database)


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(work(json.loads(line)))
            except BaseException:  # noqa: BLE001 a child that fails ends here, and says why
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        tell({"ended": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    main()
