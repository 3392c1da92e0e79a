"""Load from real clients that keep what they were answered, and send again what was not."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import func, select

from driftpin.client import Client
from driftpin.errors import Unavailable
from driftpin.identity import WORKER, ChatId
from driftpin.store.store import Store
from driftpin.store.tables import chats, events, messages, turns
from driftpin.wire import api
from driftpin.wire.agent import HelloRequest
from faults.deeds import Deed, Done, Verb
from faults.http_hands import HttpHands
from faults.looks import Ledger
from outcome import Outcome

# How often each verb is chosen.
WEIGHTS = {
    Verb.PUSH: 8,
    Verb.CREATE: 2,
    Verb.REFRESH: 5,
    Verb.ROLL_BACK: 3,
    Verb.SAY: 2,
}
CHATS_MAX = 6
PAUSE_S = 0.1


@dataclass(slots=True)
class LoadClient:
    """A user's client with a workspace, an agent and chats of its own; nobody else moves them.

    `heard` is called at each answer. A deed stays `pending` until it has been answered.
    """

    random: random.Random
    outcome: Outcome
    heard: Callable[[], None]
    ledger: Ledger = field(default_factory=Ledger)
    workspace_id: str = ""
    agent_id: str = ""
    agent_token: str = ""
    seq: int = 0
    chats: list[str] = field(default_factory=list)
    pending: Deed | None = None

    async def set_up(self, hands: HttpHands) -> None:
        """Make the workspace and its agent, and a first head with a chat on it."""
        workspace = await hands.client.create_workspace(api.CreateWorkspaceRequest(name="load"))
        enrolled = await hands.client.enrol_agent(workspace.id, api.CreateAgentRequest())
        self.workspace_id, self.agent_id = workspace.id, enrolled.id
        self.agent_token = enrolled.token
        await hands.add_agent(enrolled.id, enrolled.token)
        await hands.agents[enrolled.id].hello(HelloRequest(run_id="run"))
        for verb in (Verb.PUSH, Verb.CREATE):
            self.pending = self._deed(verb)
            await self.settle(hands)

    async def work(self, hands: HttpHands) -> None:
        """Do one thing after another until something goes wrong; it is pending then."""
        while True:
            if self.pending is None:
                self.pending = self._next()
            try:
                await self.settle(hands)
            except Unavailable as refusal:
                # A busy machine; the same is sent again.
                self.outcome.seen[f"503 {refusal.code}"] += 1

    async def settle(self, hands: HttpHands) -> None:
        """Have what is pending answered, if anything is."""
        deed = self.pending
        if deed is None:
            return
        done = await hands.perform(deed)
        self.pending = None
        self._keep(deed, done)
        self.heard()

    async def persist(self, hands: HttpHands, stopping: asyncio.Event) -> None:
        """Work until told to stop, through refusals for a while; each is to say when to come back.

        Nothing is pending at the end.
        """
        while self.pending is not None or not stopping.is_set():
            try:
                if self.pending is None:
                    self.pending = self._next()
                await self.settle(hands)
            except Unavailable as refusal:
                self.outcome.seen[f"503 {refusal.code}"] += 1
                if "retry_after_s" not in refusal.fields:
                    self.outcome.broken.append(f"503 {refusal.code} says nothing of when")
                await _pause(stopping)

    def _keep(self, deed: Deed, done: Done) -> None:
        self.ledger.keep(deed, done)
        self.outcome.seen["acknowledged"] += 1
        self.outcome.seen[f"{deed.verb} {done.result}"] += 1
        if deed.verb is Verb.CREATE:
            self.chats.append(done.chat_id)
        elif deed.verb is Verb.PUSH:
            self.seq = deed.seq

    def _next(self) -> Deed:
        verbs = list(WEIGHTS)
        [verb] = self.random.choices(verbs, weights=[WEIGHTS[verb] for verb in verbs])
        return self._deed(verb)

    def _deed(self, verb: Verb) -> Deed:
        fresh = f"{self.random.getrandbits(64):016x}"
        if verb is Verb.PUSH:
            return Deed(verb, self.workspace_id, self.agent_id, seq=self.seq + 1, text=fresh)
        if verb is Verb.CREATE and len(self.chats) < CHATS_MAX:
            return Deed(verb, self.workspace_id, key=fresh)
        chat_id = self.random.choice(self.chats)
        if verb is Verb.ROLL_BACK:
            known = [digest for (owner, _), digest in self.ledger.pins.items() if owner == chat_id]
            return Deed(verb, chat_id=chat_id, to=str(self.random.choice(known)))
        if verb is Verb.SAY:
            return Deed(verb, chat_id=chat_id, text=fresh, key=fresh)
        return Deed(Verb.REFRESH, chat_id=chat_id)

    async def compare(self, store: Store) -> list[str]:
        """Return how the store differs from what this client was told; nothing may be pending."""
        assert self.pending is None
        found = []
        async with store.database.read() as connection:
            statement = select(chats.c.id).where(chats.c.workspace_id == self.workspace_id)
            there = set((await connection.execute(statement)).scalars())
            spoken = select(func.count()).where(
                messages.c.chat_id.in_(there), messages.c.role == "user"
            )
            said = await connection.scalar(spoken)
        if there != set(self.chats):
            found.append(f"there are chats {there ^ set(self.chats)} that nobody was told of")
        if said != len(self.ledger.messages):
            found.append(f"{said} messages are there, {len(self.ledger.messages)} were told")
        for chat_id in self.chats:
            view = await store.get_chat(WORKER, ChatId(chat_id))
            told = max(revision for owner, revision in self.ledger.pins if owner == chat_id)
            if view.context.revision != told:
                found.append(f"{chat_id} is at revision {view.context.revision}, not {told}")
        return found


async def _pause(stopping: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(PAUSE_S):
            await stopping.wait()


@dataclass(slots=True)
class Listener:
    """Reads the stream of events across everything that happens to the server."""

    heads: list[str] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, client: Client, ready: asyncio.Event) -> None:
        """Note every `agent.head`, from the moment on that `ready` is set."""
        async with client.watch_events() as stream:
            ready.set()
            async for event, _ in stream:
                if event.kind == "agent.head":
                    self.heads.append(str(event.payload["digest"]))
                    self.arrived.set()

    async def wait_for(self, told: Sequence[str], seconds: float) -> list[str]:
        """Wait until as many were heard as were told; return what is wrong with them."""
        try:
            async with asyncio.timeout(seconds):
                while len(self.heads) < len(told):
                    self.arrived.clear()
                    await self.arrived.wait()
        except TimeoutError:
            return [f"{len(self.heads)} events were heard of {len(told)}"]
        return [] if self.heads == list(told) else ["events were heard twice or out of order"]


async def told_heads(store: Store) -> list[str]:
    """Return the digests of all `agent.head` events, in the order in which readers get them."""
    statement = (
        select(events.c.payload)
        .where(events.c.kind == "agent.head")
        .order_by(events.c.transaction_id, events.c.id)
    )
    async with store.database.read() as connection:
        rows = (await connection.execute(statement)).scalars().all()
    return [json.loads(payload)["digest"] for payload in rows]


async def unfinished_turns(store: Store) -> list[str]:
    """Return the turns that are not done."""
    statement = select(turns.c.chat_id, turns.c.number, turns.c.state, turns.c.error).where(
        turns.c.state != "done"
    )
    async with store.database.read() as connection:
        rows = (await connection.execute(statement)).all()
    return [f"turn {row.number} of {row.chat_id} is {row.state}: {row.error}" for row in rows]


def merged(ledgers: Sequence[Ledger]) -> Ledger:
    """Return one ledger of all."""
    total = Ledger()
    for ledger in ledgers:
        total.heads |= ledger.heads
        total.pins |= ledger.pins
        total.messages |= ledger.messages
    return total


def p99(seconds: Sequence[float]) -> float:
    """Return the 99th percentile, which of few is the longest."""
    return round(sorted(seconds)[min(len(seconds) - 1, len(seconds) * 99 // 100)], 3)


__all__ = [
    "Listener",
    "LoadClient",
    "merged",
    "p99",
    "told_heads",
    "unfinished_turns",
]
