"""A workspace whose agent pushes files, and chats in it, for the stories of pins."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Table, func, select, text, update

from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.context.resource import InstructionBody, Kind, Resource, Status
from driftpin.identity import (
    WORKER,
    Actor,
    AgentId,
    ChatId,
    Digest,
    WorkspaceId,
    agent_actor,
    digest_of,
)
from driftpin.operations.accept_snapshot import Push, accept_snapshot
from driftpin.operations.check_store import check_store
from driftpin.operations.create_chat import create_chat
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.say_hello import say_hello
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.store import Store
from driftpin.store.tables import blobs
from driftpin.store.values import ContextSummary, HistoryRow, PushOutcome

Files = Mapping[str, str]


def content_of(files: Files) -> tuple[Snapshot, dict[Digest, bytes]]:
    """Return the snapshot of some instruction files, and the blobs that it names."""
    blobs = {digest_of(text.encode()): text.encode() for text in files.values()}
    resources = [
        Resource(
            kind=Kind.INSTRUCTION_FILE,
            source=f"workspace:{path}",
            status=Status.OK,
            body=InstructionBody(digest_of(text.encode())),
        )
        for path, text in files.items()
    ]
    return snapshot_of(resources), blobs


@dataclass(slots=True)
class RunningAgent:
    """An agent that said hello and numbers its pushes."""

    store: Store
    actor: Actor
    incarnation: int = 0
    seq: int = 0

    @property
    def id(self) -> AgentId:
        """The agent's id."""
        assert self.actor.agent_id is not None
        return self.actor.agent_id

    def next_push(self, files: Files) -> Push:
        """Return the push of these files with the next number."""
        self.seq += 1
        snapshot, blobs = content_of(files)
        return Push(self.incarnation, self.seq, snapshot, {}, blobs)

    async def push(self, files: Files) -> PushOutcome:
        """Push these files with the next number."""
        return await self.send(self.next_push(files))

    async def send(self, push: Push) -> PushOutcome:
        """Send a push as it is."""
        return await accept_snapshot(
            self.store,
            self.actor,
            incarnation=push.incarnation,
            seq=push.seq,
            snapshot=push.snapshot,
            observations=push.observations,
            blobs=push.blobs.items(),
        )


@dataclass(slots=True)
class Stage:
    """The owner's workspace: its agents, its chats, and short ways to look at them."""

    store: Store
    owner: Actor
    workspace_id: WorkspaceId
    agents: list[RunningAgent] = field(default_factory=list)

    @property
    def agent(self) -> RunningAgent:
        """The first agent."""
        return self.agents[0]

    async def add_agent(self) -> RunningAgent:
        """Enrol another agent; it says hello and pushes nothing."""
        row, _ = await enrol_agent(self.store, self.owner, self.workspace_id, "another")
        return await self.start(agent_actor(row.id, self.workspace_id))

    async def start(self, actor: Actor) -> RunningAgent:
        """Let an agent say hello as a new run."""
        hello = await say_hello(
            self.store,
            actor,
            run_id=f"run-{len(self.agents)}",
            hostname="host",
            os="linux",
            version="0",
            roots={},
        )
        running = RunningAgent(self.store, actor, hello.incarnation)
        self.agents.append(running)
        return running

    async def chat(self, **wishes: Any) -> ChatId:
        """Create a chat of the owner's and return its id."""
        view = await create_chat(self.store, self.owner, self.workspace_id, **wishes)
        return view.chat.id

    async def context(self, chat_id: ChatId) -> ContextSummary:
        """Return the chat's context as the owner sees it."""
        return (await self.store.get_chat(self.owner, chat_id)).context

    async def digest(self, chat_id: ChatId) -> Digest | None:
        """Return what the chat is pinned to."""
        snapshot = (await self.context(chat_id)).snapshot
        return snapshot.digest if snapshot else None

    async def history(self, chat_id: ChatId) -> tuple[HistoryRow, ...]:
        """Return the moves of the chat's pin, oldest first."""
        page = await self.store.list_history(self.owner, chat_id, None, 100)
        return tuple(reversed(page.items))

    async def verbs(self, chat_id: ChatId) -> list[str]:
        """Return the verbs that moved the chat's pin, oldest first."""
        return [row.verb for row in await self.history(chat_id)]


@pytest.fixture
async def stage(store: Store, people: Any) -> Stage:
    """The owner's workspace with one agent that said hello and has pushed nothing."""
    stage = Stage(store, people.owner, people.workspace_id)
    await stage.start(people.agent)
    return stage


@dataclass(slots=True)
class Gate:
    """Holds a transaction open between its work and its commit until it is let go."""

    store: Store
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def hold(self, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
        """Run the work in a transaction that commits once the gate is opened."""

        async def held(transaction: Transaction) -> Any:
            outcome = await work(transaction)
            self.reached.set()
            await asyncio.wait_for(self.opened.wait(), 5)
            return outcome

        return await self.store.database.write(held)


@pytest.fixture
def gate(store: Store) -> Gate:
    """A gate in front of one commit."""
    return Gate(store)


async def until_blocked(store: Store) -> None:
    """Return once some transaction waits for a row lock of another; at once on SQLite.

    There the second writer cannot even begin, and the order is certain without waiting.
    """
    if store.database.engine_kind is EngineKind.SQLITE:
        return
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with asyncio.timeout(5):
        while True:
            async with store.database.read() as connection:
                if (await connection.execute(waiting)).scalar_one():
                    return


@pytest.fixture
def blocked(store: Store) -> Callable[[], Awaitable[None]]:
    """Wait until another transaction waits for a lock."""
    return lambda: until_blocked(store)


@dataclass(slots=True)
class Bytes:
    """Reaches around the store to break what it keeps, as a failing disk would."""

    store: Store

    async def damage(self, digest: Digest) -> None:
        """Change the stored bytes of a blob."""
        await self._set(digest, b"{}")

    async def repair(self, digest: Digest, content: bytes) -> None:
        """Put them back."""
        await self._set(digest, content)

    async def _set(self, digest: Digest, content: bytes) -> None:
        async def change(transaction: Transaction) -> None:
            await transaction.connection.execute(
                update(blobs).where(blobs.c.digest == digest).values(content=content)
            )

        await self.store.database.write(change)

    async def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        async with self.store.database.read() as connection:
            return int(
                (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            )


@pytest.fixture
def stored_bytes(store: Store) -> Bytes:
    """The bytes and rows behind the store."""
    return Bytes(store)


@pytest.fixture
def unchecked(database_url: str) -> Callable[[str], Awaitable[None]]:
    """Run a statement past the server, with no foreign key in force."""

    async def run(statement: str) -> None:
        if database_url.startswith("sqlite"):
            with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as connection:
                connection.execute(statement)
                connection.commit()
            return
        other = await asyncpg.connect(database_url)
        await other.execute("SET session_replication_role = replica")
        await other.execute(statement)
        await other.close()

    return run


@pytest.fixture
async def sound_store(store: Store) -> AsyncIterator[None]:
    """Whatever a story does, every invariant holds after it."""
    yield
    assert await check_store(store, WORKER) == ()
