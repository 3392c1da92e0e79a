"""SIGKILL at every named place of the server, on both databases, on the same data again and again.

Most kills are of a child that works on the store by itself; where only a whole server passes the
place, and for a tenth of the others, the server is killed under calls over HTTP. After each, a
fresh process must find what was acknowledged, no part of what was not, and a resend must say which
of the two it was.
"""

import asyncio
import random
import signal
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import select

from driftpin.chat.tools import UNKNOWN_RESULT
from driftpin.errors import Unreachable
from driftpin.failpoints import Failpoint
from driftpin.identity import WORKER, ChatId
from driftpin.operations.collect_garbage import Retention, collect_garbage
from driftpin.store.schema import REVISIONS
from driftpin.store.store import Store
from driftpin.store.tables import tool_calls
from faults.deeds import MOVES, Deed, Done, Hands, StoreHands, Verb, carry_out_turns, collect_all
from faults.driver import Driver
from faults.http_hands import http_hands
from faults.load import told_heads
from faults.looks import ADDS, NOTHING, Census, Ledger, audit, take_census
from faults.nursery import nursery, ordered
from faults.places import Place, both_engines, opened, settle
from outcome import Outcome
from replicas import Replica, replica

HITS_MAX: Final = 3
HTTP_SHARE: Final = 10


class Phase(StrEnum):
    """On which side of the commit a place is; at some of them nothing is being committed."""

    BEFORE = "before"
    AFTER = "after"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Case:
    """Which deeds pass a place, and on which side of their commit."""

    verbs: tuple[Verb, ...]
    phase: Phase = Phase.BEFORE
    only_http: bool = False


PUSH: Final = Case((Verb.PUSH,))
MOVE: Final = Case(MOVES)
CREATE: Final = Case((Verb.CREATE,))
SAY: Final = Case((Verb.SAY,), Phase.NEITHER)
LISTEN: Final = Case((Verb.LISTEN,), Phase.NEITHER)
COLLECT: Final = Case((Verb.COLLECT,), Phase.NEITHER)

CASES: Final[Mapping[Failpoint, Case]] = {
    Failpoint.PUSH_RECV: Case((Verb.PUSH,), only_http=True),
    Failpoint.PUSH_VALIDATED: Case((Verb.PUSH,), only_http=True),
    Failpoint.PUSH_TX_BEGUN: PUSH,
    Failpoint.PUSH_BLOBS: PUSH,
    Failpoint.PUSH_SNAPSHOT: PUSH,
    Failpoint.PUSH_HEAD: PUSH,
    Failpoint.PUSH_OUTBOX: PUSH,
    Failpoint.PUSH_HYDRATE: Case((Verb.FIRST_PUSH,)),
    Failpoint.PUSH_PRE_COMMIT: PUSH,
    Failpoint.PUSH_POST_COMMIT: Case((Verb.PUSH,), Phase.AFTER),
    Failpoint.PUSH_ACKED: Case((Verb.PUSH,), Phase.AFTER, only_http=True),
    Failpoint.PUSH_DIRTY: Case((Verb.KEEP_DRIFT,), Phase.NEITHER),
    Failpoint.CHAT_CREATE_TX: CREATE,
    Failpoint.CHAT_CREATE_OUTBOX: CREATE,
    Failpoint.CHAT_CREATE_HYDRATE: CREATE,
    Failpoint.MOVE_READ_HEAD: MOVE,
    Failpoint.MOVE_MOVE_PIN: MOVE,
    Failpoint.MOVE_OUTBOX: MOVE,
    Failpoint.MOVE_POST_COMMIT: Case(MOVES, Phase.AFTER),
    Failpoint.TOOL_ID_SAVED: SAY,
    Failpoint.TOOL_SENT: SAY,
    Failpoint.TOOL_RESULT_IN: SAY,
    Failpoint.TOOL_RESULT_SAVED: SAY,
    Failpoint.STREAM_LIST_DONE: LISTEN,
    Failpoint.STREAM_ATTACHED: LISTEN,
    Failpoint.STREAM_BEFORE_SEND: LISTEN,
    Failpoint.GC_MARK: COLLECT,
    Failpoint.GC_SWEEP: COLLECT,
}
# What a deed says of itself that had not happened, and of one that had.
SAYS: Final = {
    Verb.PUSH: ("accepted", "duplicate"),
    Verb.FIRST_PUSH: ("accepted", "duplicate"),
    Verb.CREATE: ("created", "replayed"),
    **dict.fromkeys(MOVES, ("moved", "unmoved")),
}


@dataclass(slots=True)
class Died:
    """What a process told before it was killed: the deed it was at, if any, and what was there."""

    deed: Deed | None = None
    before: Census = NOTHING

    def hear(self, said: Mapping[str, Any]) -> Done | None:
        """Take one line; return the answer to a deed, with the deed left as it was."""
        if "doing" in said:
            self.deed, self.before = Deed.read(said["doing"]), Census(*said["before"])
        return Done(**said["done"]) if "done" in said else None


@dataclass(slots=True)
class Crashes:
    """Kills on one database; everything that was acknowledged there is in `ledger`."""

    place: Place
    nursery: Process
    random: random.Random
    outcome: Outcome
    ledger: Ledger = field(default_factory=Ledger)
    heard: list[str] = field(default_factory=list)
    cursor: str = ""
    sent: Counter[str] = field(default_factory=Counter)
    calls_gone_on: int = 0

    async def kill_at(self, failpoint: Failpoint) -> None:
        """Kill once at the place, and look at what is left."""
        case = CASES[failpoint]
        hits = self.random.randint(1, HITS_MAX)
        is_whole = case.only_http or (
            all(verb in ADDS for verb in case.verbs) and self.random.randrange(HTTP_SHARE) == 0
        )
        found = len(self.outcome.broken)
        if is_whole:
            await self._kill_server(failpoint, hits)
        else:
            await self._kill_child(failpoint, hits)
        self.outcome.seen["kills"] += 1
        self.outcome.seen[f"at {failpoint}"] += 1
        where = f"{self.place.database_url.split(':')[0]}, {failpoint} at hit {hits}: "
        self.outcome.broken[found:] = [where + text for text in self.outcome.broken[found:]]

    async def _kill_child(self, failpoint: Failpoint, hits: int) -> None:
        case = CASES[failpoint]
        died, ended = Died(), None
        async for said in self._order(failpoint, hits, case.verbs):
            ended = said.get("ended")
            self._hear(died, said)
        if ended != -signal.SIGKILL:
            self.outcome.broken.append(f"the child was to be killed, and ended with {ended}")
            return
        async with self._restarted() as store:
            hands = StoreHands(store, self.place.world.owner)
            await self._look(store, hands, died, case.phase)

    def _restarted(self) -> AbstractAsyncContextManager[Store]:
        return opened(self.place.database_url, self._count_calls)

    async def _count_calls(self, failpoint: Failpoint) -> None:
        if failpoint is Failpoint.TOOL_SENT:
            self.calls_gone_on += 1

    async def _order(
        self, failpoint: Failpoint, hits: int, verbs: Iterable[Verb]
    ) -> AsyncIterator[dict[str, Any]]:
        order = {
            "database_url": self.place.database_url,
            "failpoint": failpoint.value,
            "hits": hits,
            "seed": self.random.randrange(2**32),
            "world": asdict(self.place.world),
            "verbs": list(verbs),
            "cursor": self.cursor or self.place.cursor,
        }
        async for said in ordered(self.nursery, order):
            yield said

    def _hear(self, died: Died, said: dict[str, Any]) -> None:
        done = died.hear(said)
        if done is not None:
            assert died.deed is not None
            self.ledger.keep(died.deed, done)
            self.outcome.seen["acknowledged"] += 1
            died.deed = None
        if "heard" in said:
            self.heard.append(said["heard"])
            self.cursor = said["cursor"]
        if "sent" in said and died.deed is not None:
            self.sent[died.deed.key] += 1

    async def _kill_server(self, failpoint: Failpoint, hits: int) -> None:
        url, token = self.place.database_url, self.place.token
        died = Died()
        async with replica(url, token=token, kill_at={failpoint.value: hits}) as server:
            await self._drive(server, failpoint, died)
        async with (
            replica(url, token=token) as server,
            http_hands(server.url, token) as hands,
            self._restarted() as store,
        ):
            for agent_id, agent_token in self.place.agent_tokens.items():
                await hands.add_agent(agent_id, agent_token)
            await self._look(store, hands, died, CASES[failpoint].phase)
        self.outcome.seen["whole servers killed"] += 1

    async def _drive(self, server: Replica, failpoint: Failpoint, died: Died) -> None:
        async with (
            http_hands(server.url, self.place.token) as hands,
            self._restarted() as store,
        ):
            for agent_id, agent_token in self.place.agent_tokens.items():
                await hands.add_agent(agent_id, agent_token)
            driver = Driver(
                store, hands, self.place.world, self.random, lambda said: self._hear(died, said)
            )
            verbs = CASES[failpoint].verbs
            try:
                for number in range(HITS_MAX * len(verbs)):
                    await driver.do(verbs[number % len(verbs)])
            except Unreachable:
                pass
            self.place.agent_tokens.update(hands.tokens)
            if (code := await server.wait_until_dead()) != -signal.SIGKILL:
                self.outcome.broken.append(f"the server was to be killed, and ended with {code}")

    async def _look(self, store: Store, hands: Hands, died: Died, phase: Phase) -> None:
        if died.deed is not None:
            if died.deed.verb in ADDS:
                await self._resend(store, hands, died, phase)
            elif died.deed.verb is Verb.SAY:
                await self._go_on(store, hands, died.deed)
            elif died.deed.verb is Verb.COLLECT:
                await self._collect_again(store, died)
        self.outcome.broken += await audit(store, self.ledger)
        self.outcome.broken += await self._misheard(store)

    async def _resend(self, store: Store, hands: Hands, died: Died, phase: Phase) -> None:
        """All of the deed is there or none of it, and sending it again makes it once."""
        assert died.deed is not None
        deed, whole = died.deed, ADDS[died.deed.verb]
        added = (await take_census(store)).less(died.before)
        if added not in (NOTHING, whole):
            self.outcome.broken.append(f"a part of {deed} is there: {added}")
        is_there = added == whole
        if phase is not Phase.NEITHER and is_there != (phase is Phase.AFTER):
            self.outcome.broken.append(f"{phase} its commit, {deed} has added {added}")
        done = await hands.perform(deed)
        self.ledger.keep(deed, done)
        self.outcome.seen["resent behind a commit" if is_there else "resent"] += 1
        says = SAYS[deed.verb][is_there]
        is_told = deed.verb in (Verb.PUSH, Verb.FIRST_PUSH) or isinstance(hands, StoreHands)
        if is_told and done.result != says:
            self.outcome.broken.append(f"the resend of {deed} said {done.result}, not {says}")
        added = (await take_census(store)).less(died.before)
        if added != whole:
            self.outcome.broken.append(f"resent, {deed} has added {added}")

    async def _go_on(self, store: Store, hands: Hands, deed: Deed) -> None:
        """The turn that was left is carried out, and no call of a tool twice."""
        self.calls_gone_on = 0
        await carry_out_turns(store)
        done = await hands.perform(deed)
        self.ledger.keep(deed, done)
        times = self.sent[deed.key] + self.calls_gone_on
        if times > 1:
            self.outcome.broken.append(f"a tool was called {times} times")
        turns = await store.list_turns(WORKER, ChatId(deed.chat_id))
        turn = turns[done.revision - 1]
        if turn.state != "done":
            self.outcome.broken.append(f"the turn is {turn.state}: {turn.error}")
        await self._check_calls(store, deed, turn.number, times)

    async def _check_calls(self, store: Store, deed: Deed, turn: int, times: int) -> None:
        """A call that was carried out is done, or unknown, and then the model was told so."""
        statement = select(tool_calls.c.state).where(
            tool_calls.c.chat_id == deed.chat_id, tool_calls.c.turn == turn
        )
        async with store.database.read() as connection:
            states = (await connection.execute(statement)).scalars().all()
        said = await store.list_messages(WORKER, ChatId(deed.chat_id), None, 500)
        told = [
            part["code"] == UNKNOWN_RESULT.code
            for row in said.items
            if row.turn == turn and row.role == "tool"
            for part in row.content["parts"]
        ]
        if (list(states), told) not in ((["done"], [False]), (["unknown"], [True])) or not times:
            self.outcome.broken.append(f"calls are {states}, unknown to the model {told}, {times}")
        for state in states:
            self.outcome.seen[f"tool calls {state}"] += 1

    async def _collect_again(self, store: Store, died: Died) -> None:
        added = (await take_census(store)).less(died.before)
        if any(added[:5]):
            self.outcome.broken.append(f"a collection added or took {added}")
        await collect_all(store)
        if not (await collect_garbage(store, WORKER, Retention())).is_empty:
            self.outcome.broken.append("a second collection found what the first had left")

    async def _misheard(self, store: Store) -> list[str]:
        """What was heard is a beginning of what was told, without gap or repetition."""
        told = (await told_heads(store))[len(self.place.world.agent_ids) :]
        if self.heard == told[: len(self.heard)]:
            return []
        return [f"heard {self.heard}, told {told}"]


async def kill_at_each(
    database_url: str, failpoints: Iterable[Failpoint], seed: int, rounds: int = 1
) -> Outcome:
    """Kill at each of the places, in an order drawn from the seed, on one database."""
    outcome, chosen = Outcome(), random.Random(seed)
    place = await settle(database_url)
    async with nursery() as process:
        crashes = Crashes(place, process, chosen, outcome)
        for _ in range(rounds):
            for failpoint in chosen.sample(due := list(failpoints), len(due)):
                await crashes.kill_at(failpoint)
    return outcome


async def kill_in_migrations(database_url: str, seed: int) -> Outcome:
    """Kill between the migrations of an empty database; whoever starts next begins them anew."""
    outcome = Outcome()
    async with nursery() as process:
        for step in range(1, len(REVISIONS) + 1):
            order = {
                "database_url": database_url,
                "failpoint": Failpoint.MIGRATE_STEP.value,
                "hits": step,
            }
            ended = [said async for said in ordered(process, order)][-1]["ended"]
            if ended != -signal.SIGKILL:
                outcome.broken.append(f"migration {step} was to be killed, and ended with {ended}")
            outcome.seen["kills"] += 1
            outcome.seen[f"at {Failpoint.MIGRATE_STEP}"] += 1
    # Only a database whose migrations are whole can be lived on.
    place = await settle(database_url)
    async with opened(database_url) as store:
        outcome.broken += await audit(store, Ledger())
        if await take_census(store) == NOTHING:
            outcome.broken.append(f"nothing is in {place.world}")
    return outcome


def run(count: int, seed: int) -> Outcome:
    """Kill `count` times at every place of the server, on each database."""
    total = Outcome()
    with both_engines() as urls, both_engines() as empty_urls:
        for number, url in enumerate(urls):
            total.add(asyncio.run(kill_at_each(url, CASES, seed + number, rounds=count)))
        for url in empty_urls:
            total.add(asyncio.run(kill_in_migrations(url, seed)))
    total.require(*(f"at {failpoint}" for failpoint in (*CASES, Failpoint.MIGRATE_STEP)))
    total.require("resent", "resent behind a commit", "whole servers killed")
    total.require("tool calls done", "tool calls unknown")
    return total


__all__ = ["CASES", "kill_at_each", "kill_in_migrations", "run"]
