"""What every test may use: both databases, a clock that is stepped, ids that repeat, and people."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from driftpin.clock import SystemClock
from driftpin.identity import (
    WORKER,
    Actor,
    RandomIds,
    WorkspaceId,
    agent_actor,
    user_actor,
)
from driftpin.operations.create_user import create_user
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.store.database import Database, EngineKind
from driftpin.store.schema import prepare_schema
from driftpin.store.store import Store
from noted_faults import FILE_VARIABLE, noting_faults
from own_postgres import own_postgres
from people import People
from pristine import empty_database
from seams.ledger import Ledger
from stepping import CountingIds, SteppedClock

# How long an example takes says something about the machine, and nothing about the product.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
# A traceback that is drawn with all its variables takes seconds; nobody reads it.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)


def pytest_configure(config: pytest.Config) -> None:
    """Keep the books of who tried which door (`seams.ledger`)."""
    config.pluginmanager.register(Ledger(config, _every_attempt), "access-ledger")


def _every_attempt() -> frozenset[tuple[str, str]]:
    # Looking for all doors imports the whole product; most sessions never ask.
    from seams.doors import every_attempt

    return every_attempt()


@pytest.fixture(autouse=True)
def no_fault(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[str]]:
    """Fail a test whose servers answered 500, unless it is marked `plants_fault` (F26)."""
    file = tmp_path_factory.getbasetemp() / "faults"
    file.write_text("", encoding="utf-8")
    monkeypatch.setenv(FILE_VARIABLE, str(file))
    seen: list[str] = []
    with noting_faults(seen.append):
        yield seen
    seen += file.read_text(encoding="utf-8").splitlines()
    if request.node.get_closest_marker("plants_fault") is None:
        assert seen == [], "a server answered with 500"


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def ids() -> CountingIds:
    return CountingIds()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server of this process alone; stopped at the end."""
    with own_postgres() as server:
        yield server.url


@pytest.fixture(scope="session")
def postgres_url(postgres_server: str) -> str:
    """The URL of a database with the schema in it."""
    asyncio.run(_prepare(postgres_server))
    return postgres_server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the schema in it, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(_prepare(f"sqlite:///{path}"))
    return path


@pytest.fixture(params=list(EngineKind), ids=str)
def engine_kind(request: pytest.FixtureRequest) -> EngineKind:
    """Both engines, one after the other."""
    kind: EngineKind = request.param
    return kind


@pytest.fixture
def database_url(engine_kind: EngineKind, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database with the schema in it."""
    if engine_kind is EngineKind.SQLITE:
        path = tmp_path / "driftpin.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgres_url")
    asyncio.run(empty_database(url))
    return url


@pytest.fixture
async def database(
    database_url: str, clock: SteppedClock, ids: CountingIds
) -> AsyncIterator[Database]:
    """An open database; closed at the end."""
    opened = Database(database_url, clock=clock, ids=ids)
    yield opened
    await opened.close()


@pytest.fixture
def store(database: Database) -> Store:
    """The store on each engine."""
    return Store(database)


@pytest.fixture
async def people(store: Store) -> People:
    """Three users, and two workspaces with an agent each."""
    owner, other, administrator = [
        await _add_user(store, name) for name in ("owner", "other", "administrator")
    ]
    workspace_id, agent = await _add_workspace(store, owner)
    foreign_workspace_id, foreign_agent = await _add_workspace(store, administrator)
    return People(
        owner=owner,
        other=other,
        administrator=administrator,
        agent=agent,
        foreign_agent=foreign_agent,
        workspace_id=workspace_id,
        foreign_workspace_id=foreign_workspace_id,
    )


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """What an agent in a test finds set: a directory for its socket."""
    # The path of a test's own directory is too long for a socket.
    with tempfile.TemporaryDirectory(prefix="dp-") as runtime:
        yield {"XDG_RUNTIME_DIR": runtime}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with one instruction file."""
    directory = tmp_path / "workspace"
    directory.mkdir()
    (directory / "AGENTS.md").write_text("first\n", encoding="utf-8")
    return directory


async def _add_user(store: Store, name: str) -> Actor:
    is_administrator = name == "administrator"
    user = await create_user(store, WORKER, name, is_administrator=is_administrator)
    return user_actor(user.id, is_administrator=is_administrator)


async def _add_workspace(store: Store, owner: Actor) -> tuple[WorkspaceId, Actor]:
    workspace = await create_workspace(store, owner, "a workspace")
    agent, _ = await enrol_agent(store, owner, workspace.id, "an agent")
    return workspace.id, agent_actor(agent.id, workspace.id)


async def _prepare(url: str) -> None:
    database = Database(url, clock=SystemClock(), ids=RandomIds())
    await prepare_schema(database)
    await database.close()
