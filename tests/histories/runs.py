"""Concurrent histories on real servers, each judged by the checker."""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from driftpin.clock import SystemClock
from driftpin.identity import WORKER, RandomIds
from driftpin.operations.prepare_deployment import RESTORE_EPOCH, SIGNING_KEY
from driftpin.server.cursors import Cursors, Sealer
from driftpin.store.database import Database
from driftpin.store.store import Store
from histories.clients import Place
from histories.history import History, Setting, unsound
from histories.record import Record, What
from histories.rules import broken_rules
from outcome import Outcome
from own_postgres import own_postgres
from replicas import Replica, start_replica

# Which servers the histories of a run have, over and over: a fifth of them is on SQLite.
ROUND: Final = ("3+", "2", "3", "1", "sqlite", "2+", "3", "1", "3+", "sqlite")
MET: Final = (
    "conflicts",
    "fenced pushes",
    "duplicate pushes",
    "stale pushes",
    "cursors too old (410)",
    "collections during a push",
    "moves",
    "events told",
)


@dataclass(slots=True)
class Servers:
    """The replicas of one database, and a look at that database beside them."""

    url: str
    replicas: list[Replica]
    store: Store
    cursors: Cursors

    def setting(self, count: int, draw: random.Random, *, has_crash: bool) -> Setting:
        """Return a setting with the first `count` servers."""
        urls = tuple(replica.url for replica in self.replicas[:count])

        async def crash() -> None:
            await self._restart(draw.randrange(count))

        return Setting(
            Place(urls, draw),
            self.replicas[0].token,
            self.store,
            self.cursors,
            crash if has_crash else None,
        )

    async def _restart(self, number: int) -> None:
        killed = self.replicas[number]
        await killed.kill()
        port = int(killed.url.rpartition(":")[2])
        self.replicas[number] = await start_replica(self.url, token=killed.token, port=port)


@asynccontextmanager
async def servers(url: str, count: int) -> AsyncIterator[Servers]:
    """Give `count` servers on one database; they are killed at the end."""
    async with AsyncExitStack() as stack:
        replicas: list[Replica] = []

        async def kill_all() -> None:
            for replica in replicas:
                await replica.kill()

        stack.push_async_callback(kill_all)
        for _ in range(count):
            token = replicas[0].token if replicas else None
            replicas.append(await start_replica(url, token=token))
        database = Database(url, clock=SystemClock(), ids=RandomIds(), pool_size=4)
        stack.push_async_callback(database.close)
        store = Store(database)
        yield Servers(url, replicas, store, await _cursors_of(store))


async def _cursors_of(store: Store) -> Cursors:
    key = await store.get_deployment(WORKER, SIGNING_KEY)
    epoch = await store.get_deployment(WORKER, RESTORE_EPOCH)
    assert key is not None
    assert epoch is not None
    return Cursors(Sealer(bytes.fromhex(key)), SystemClock(), int(epoch))


@contextmanager
def _database(kind: str) -> Iterator[str]:
    with ExitStack() as stack:
        if kind == "sqlite":
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="dp-histories-"))
            yield f"sqlite:///{Path(directory) / 'driftpin.db'}"
        else:
            yield stack.enter_context(own_postgres()).url


async def _carry_out(url: str, kinds: list[tuple[int, str]], seed: int, outcome: Outcome) -> None:
    counts = [1 if kind == "sqlite" else int(kind[0]) for _, kind in kinds]
    async with servers(url, max(counts)) as running:
        for (number, kind), count in zip(kinds, counts, strict=True):
            draw = random.Random(f"{seed} {number}")
            setting = running.setting(count, draw, has_crash=kind.endswith("+"))
            record = await History(setting, draw, f"h{number}").carry_out()
            _count(outcome.seen, record, kind)
            broken = broken_rules(record)
            outcome.broken += [f"history {number} of seed {seed}: {what}" for what in broken[:5]]
        outcome.broken += await unsound(running.store)


def _count(seen: Counter[str], record: Record, kind: str) -> None:
    calls = record.calls
    seen["histories"] += 1
    seen["histories on SQLite" if kind == "sqlite" else "histories on PostgreSQL"] += 1
    seen["servers killed"] += record.has_crashes
    seen["calls"] += len(calls)
    seen["events told"] += len(record.told)
    seen["moves"] += sum(len(chat.moves) for chat in record.chats.values())
    for call in calls:
        seen[f"calls {call.ended}"] += 1
        seen["conflicts"] += call.code in ("head_moved", "precondition_failed")
        seen["duplicate pushes"] += call.result == "duplicate"
        seen["accepted pushes"] += call.result == "accepted"
        seen["fenced pushes"] += call.code == "fenced"
        seen["stale pushes"] += call.code == "stale"
        seen["pushes whose blobs were collected"] += call.code == "need_blobs"
        seen["cursors too old (410)"] += call.code == "resync_required"
        seen["reads of what is unshared"] += call.code == "not_found"
    seen["collections during a push"] += _collections_during_a_push(record)


def _collections_during_a_push(record: Record) -> int:
    """Return how many collections removed something while a push was under way."""
    pushes = [call for call in record.of(What.PUSH) if call.is_ok]
    return sum(
        any(push.begin_s < each.end_s and each.begin_s < push.end_s for push in pushes)
        for each in record.of(What.COLLECT)
        if each.is_ok and each.flag
    )


def run(count: int, seed: int, kinds: tuple[str, ...] = ROUND) -> Outcome:
    """Carry out as many histories; SQLite and PostgreSQL have servers of their own."""
    outcome = Outcome()
    numbered = [(number, kinds[number % len(kinds)]) for number in range(count)]
    for kind in ("sqlite", "postgresql"):
        chosen = [each for each in numbered if (each[1] == "sqlite") == (kind == "sqlite")]
        if chosen:
            with _database(kind) as url:
                asyncio.run(_carry_out(url, chosen, seed, outcome))
    outcome.require(*MET)
    return outcome


__all__ = ["MET", "ROUND", "Servers", "run", "servers"]
