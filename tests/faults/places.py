"""Databases that fault tests crash on, each with the world that their deeds happen in."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from sqlalchemy import make_url

from door import open_services
from driftpin.clock import SystemClock
from driftpin.failpoints import Reach, pass_by
from driftpin.identity import WORKER, RandomIds, user_actor
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.server.bootstrap import ensure_first_user
from driftpin.store.database import Database
from driftpin.store.schema import prepare_schema
from driftpin.store.store import Store
from faults.deeds import Deed, StoreHands, Verb, hello
from faults.driver import World
from own_postgres import own_postgres


@dataclass(frozen=True, slots=True)
class Place:
    """A database with a world in it, and the tokens by which it is reached over HTTP."""

    database_url: str
    world: World
    token: str
    agent_tokens: dict[str, str]
    cursor: str


@contextmanager
def fresh_sqlite() -> Iterator[str]:
    """Give the URL of a database file that is not there yet."""
    with TemporaryDirectory() as directory:
        yield f"sqlite:///{Path(directory) / 'driftpin.db'}"


@contextmanager
def fresh_postgres(server_url: str) -> Iterator[str]:
    """Give the URL of an empty database on a server that others use as well."""
    name = f"faults_{secrets.token_hex(6)}"
    asyncio.run(_execute(server_url, f"CREATE DATABASE {name}"))
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    asyncio.run(_execute(server_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


@contextmanager
def both_engines() -> Iterator[tuple[str, ...]]:
    """Give the URL of an empty database on each engine, for a run by itself."""
    with ExitStack() as stack:
        server = stack.enter_context(own_postgres())
        yield stack.enter_context(fresh_sqlite()), stack.enter_context(fresh_postgres(server.url))


@asynccontextmanager
async def opened(database_url: str, reach: Reach = pass_by) -> AsyncIterator[Store]:
    """Give the store as a process has it that has just started there."""
    database = Database(database_url, clock=SystemClock(), ids=RandomIds(), reach=reach)
    try:
        await prepare_schema(database)
        yield Store(database)
    finally:
        await database.close()


async def settle(database_url: str) -> Place:
    """Make the world on an empty database: both agents have pushed, and the chat is pinned."""
    async with opened(database_url) as store:
        user_id, token = await ensure_first_user(store, None)
        owner = user_actor(user_id, is_administrator=True)
        workspace = await create_workspace(store, owner, "a workspace")
        tokens: dict[str, str] = {}
        for name in ("first", "second"):
            agent, secret = await enrol_agent(store, owner, workspace.id, name)
            tokens[agent.id] = secret
            await hello(store, agent.id, workspace.id)
            deed = Deed(Verb.PUSH, workspace.id, agent.id, seq=1, text=name)
            await StoreHands(store, owner).perform(deed)
        chat = (await create_chat(store, owner, workspace.id, model="scripted")).chat
        services = await open_services(store, store.database.clock)
        _, end = await store.first_and_last_position(WORKER)
        first, second = tokens
        world = World(user_id, workspace.id, (first, second), chat.id)
        return Place(database_url, world, token, tokens, services.cursors.write_event(end))


__all__ = [
    "Place",
    "both_engines",
    "fresh_postgres",
    "fresh_sqlite",
    "opened",
    "settle",
]
