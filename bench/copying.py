"""The copying baseline: every chat holds its own copy of every body, as products of this kind do.

An agent's resources are rows with bodies; a chat's pin is a copy of those rows. A push upserts each
resource with a statement of its own, deletes the stale, hydrates unpinned chats with one INSERT …
SELECT and marks pinned ones of another hash dirty. A refresh deletes the chat's rows and inserts
the agent's again. All of it at REPEATABLE READ with five tries after a serialization failure. It
trusts the hash that it is given, keeps no history and records no events.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

TRIES_MAX: Final = 5
SERIALIZATION_FAILURE: Final = "40001"

metadata = MetaData(schema="copying")

agent_snapshots = Table(
    "agent_snapshots",
    metadata,
    Column("agent_id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
)
agent_resources = Table(
    "agent_resources",
    metadata,
    Column("agent_id", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)
chats = Table(
    "chats",
    metadata,
    Column("id", Text, primary_key=True),
    Column("agent_id", Text, nullable=False),
    Column("context_hash", LargeBinary),
    Column("dirty_since", DateTime(timezone=True)),
    Index("ix_copying_chats_agent_id", "agent_id"),
)
chat_resources = Table(
    "chat_resources",
    metadata,
    Column("chat_id", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)
COPIED: Final = ("source", "kind", "hash", "status", "body")


@dataclass(frozen=True, slots=True)
class Body:
    """One pushed resource with its bytes."""

    source: str
    hash: bytes
    content: bytes


class CopyingStore:
    """The verbs of the baseline; `engine` must run at REPEATABLE READ."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create_tables(self) -> None:
        async with self._engine.begin() as connection:
            await connection.run_sync(metadata.create_all)

    async def create_chats(self, agent_id: str, chat_ids: Sequence[str]) -> None:
        rows = [{"id": chat_id, "agent_id": agent_id} for chat_id in chat_ids]
        async with self._engine.begin() as connection:
            await connection.execute(insert(chats), rows)

    async def create_chat(self, agent_id: str, chat_id: str) -> None:
        async def once(connection: AsyncConnection) -> None:
            await connection.execute(insert(chats).values(id=chat_id, agent_id=agent_id))
            await _copy_to(connection, chat_id, agent_id)

        await self._retrying(once)

    async def rebind(self, chat_id: str, agent_id: str) -> None:
        async def once(connection: AsyncConnection) -> None:
            await connection.execute(
                update(chats).where(chats.c.id == chat_id).values(agent_id=agent_id)
            )
            await _copy_to(connection, chat_id, agent_id)

        await self._retrying(once)

    async def count_listing(self, chat_id: str) -> int:
        """Read what is listed in the chat's pin, without bodies; return how much it is."""
        listed = [chat_resources.c[name] for name in COPIED if name != "body"]
        statement = select(*listed).where(chat_resources.c.chat_id == chat_id)
        async with self._engine.connect() as connection:
            return len((await connection.execute(statement)).all())

    async def push(self, agent_id: str, snapshot_hash: bytes, bodies: Sequence[Body]) -> None:
        async def once(connection: AsyncConnection) -> None:
            now = datetime.now(UTC)
            await _store_latest(connection, agent_id, snapshot_hash, bodies, now)
            await _hydrate(connection, agent_id, snapshot_hash, now)
            await connection.execute(
                update(chats)
                .where(
                    chats.c.agent_id == agent_id,
                    chats.c.context_hash.is_not(None),
                    chats.c.context_hash != snapshot_hash,
                    chats.c.dirty_since.is_(None),
                )
                .values(dirty_since=now)
            )

        await self._retrying(once)

    async def refresh(self, chat_id: str) -> None:
        async def once(connection: AsyncConnection) -> None:
            statement = select(chats.c.agent_id).where(chats.c.id == chat_id)
            agent_id = (await connection.execute(statement)).scalar_one()
            await _copy_to(connection, chat_id, agent_id)

        await self._retrying(once)

    async def _retrying(self, once: Callable[[AsyncConnection], Awaitable[None]]) -> None:
        for attempt in range(1, TRIES_MAX + 1):
            try:
                async with self._engine.begin() as connection:
                    await once(connection)
            except DBAPIError as failure:
                state = getattr(failure.orig, "sqlstate", "")
                if state != SERIALIZATION_FAILURE or attempt == TRIES_MAX:
                    raise
            else:
                return


async def _copy_to(connection: AsyncConnection, chat_id: str, agent_id: str) -> None:
    """Make the chat's rows those of the agent."""
    now = datetime.now(UTC)
    statement = select(agent_snapshots.c.hash).where(agent_snapshots.c.agent_id == agent_id)
    latest = (await connection.execute(statement)).scalar_one()
    await connection.execute(
        update(chats).where(chats.c.id == chat_id).values(context_hash=latest, dirty_since=None)
    )
    await connection.execute(delete(chat_resources).where(chat_resources.c.chat_id == chat_id))
    copied = select(
        literal(chat_id), *(agent_resources.c[name] for name in COPIED), literal(now)
    ).where(agent_resources.c.agent_id == agent_id)
    await connection.execute(
        insert(chat_resources).from_select(["chat_id", *COPIED, "updated_at"], copied)
    )


async def _store_latest(
    connection: AsyncConnection,
    agent_id: str,
    snapshot_hash: bytes,
    bodies: Sequence[Body],
    now: datetime,
) -> None:
    await connection.execute(
        upsert(agent_snapshots)
        .values(agent_id=agent_id, hash=snapshot_hash, received_at=now)
        .on_conflict_do_update(
            index_elements=["agent_id"], set_={"hash": snapshot_hash, "received_at": now}
        )
    )
    for body in bodies:
        row = {
            "kind": "instruction_file",
            "hash": body.hash,
            "status": "ok",
            "body": body.content,
            "updated_at": now,
        }
        await connection.execute(
            upsert(agent_resources)
            .values(agent_id=agent_id, source=body.source, **row)
            .on_conflict_do_update(index_elements=["agent_id", "source"], set_=row)
        )
    await connection.execute(
        delete(agent_resources).where(
            agent_resources.c.agent_id == agent_id,
            agent_resources.c.source.not_in([body.source for body in bodies]),
        )
    )


async def _hydrate(
    connection: AsyncConnection, agent_id: str, snapshot_hash: bytes, now: datetime
) -> None:
    pinned = (
        await connection.execute(
            update(chats)
            .where(chats.c.agent_id == agent_id, chats.c.context_hash.is_(None))
            .values(context_hash=snapshot_hash)
            .returning(chats.c.id)
        )
    ).scalars()
    ids = list(pinned)
    if not ids:
        return
    copied = select(
        chats.c.id, *(agent_resources.c[name] for name in COPIED), literal(now)
    ).select_from(chats.join(agent_resources, agent_resources.c.agent_id == chats.c.agent_id))
    await connection.execute(
        insert(chat_resources).from_select(
            ["chat_id", *COPIED, "updated_at"], copied.where(chats.c.id.in_(ids))
        )
    )
