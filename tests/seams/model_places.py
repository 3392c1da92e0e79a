"""Databases for model tests: fresh ones, at once, with people and an agent in them."""

import asyncio
import copy
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from driftpin.clock import SystemClock
from driftpin.identity import RandomIds
from driftpin.store.database import Database
from driftpin.store.schema import prepare_schema
from own_postgres import own_postgres
from pristine import empty_database
from seams.expected import Expected, ExpectedAgent
from seams.pin_machine import Deployment
from seams.pin_world import Inhabitants, PinWorld
from seams.raw_rows import RawDatabase
from seams.sound import Soundness
from stepping import BEGINNING, CountingIds, SteppedClock

MEMORY = Path("/dev/shm")


def expected_beginning() -> Expected:
    """Return what a fresh deployment holds: one agent that has done nothing."""
    return Expected(BEGINNING, agents=[ExpectedAgent()])


@dataclass(slots=True)
class Kept:
    """One database that is closed and opened again for each history, with a clock and ids anew.

    Making it afresh would cost a third of a history: it prepares all its statements once.
    """

    url: str
    clock: SteppedClock = field(default_factory=SteppedClock)
    ids: CountingIds = field(default_factory=CountingIds)
    database: Database = field(init=False)

    def __post_init__(self) -> None:
        self.database = Database(self.url, clock=self, ids=self)

    def now(self) -> datetime:
        """Return the present history's time."""
        return self.clock.now()

    def monotonic_s(self) -> float:
        """Return the same, in seconds."""
        return self.clock.monotonic_s()

    def fresh(self, now: datetime) -> str:
        """Return the present history's next id."""
        return self.ids.fresh(now)

    def world(self, runner: asyncio.Runner, inhabitants: Inhabitants) -> PinWorld:
        """Begin a history."""
        self.clock, self.ids = SteppedClock(), inhabitants.ids
        return PinWorld(self.url, runner, inhabitants, self.clock, kept=self.database)


@dataclass(slots=True)
class SqlitePlaces:
    """A file in memory where there is such a place, for each history a copy of a prepared one."""

    directory: Path
    runner: asyncio.Runner
    inhabitants: Inhabitants = field(default_factory=Inhabitants)
    kept: Kept = field(init=False)

    def __post_init__(self) -> None:
        self.kept = Kept(f"sqlite:///{self.directory / 'history.db'}")

    @property
    def template(self) -> Path:
        """The file that is copied."""
        return self.directory / "template.db"

    def prepare(self) -> None:
        """Make the file with its schema, its people and its agent."""
        url = f"sqlite:///{self.template}"
        self.runner.run(_prepare_schema(url))
        world = PinWorld(url, self.runner, self.inhabitants)
        world.settle_in()
        world.close()

    def deploy(self, expected: Expected) -> Deployment:
        """Give a fresh deployment; the one before must have ended."""
        for file in self.directory.glob("history.db*"):
            file.unlink()
        shutil.copyfile(self.template, self.directory / "history.db")
        world = self.kept.world(self.runner, copy.deepcopy(self.inhabitants))
        return _looked_at(world, expected)


@dataclass(slots=True)
class PostgresPlaces:
    """One database of a server, emptied for each deployment."""

    url: str
    runner: asyncio.Runner
    kept: Kept = field(init=False)

    def __post_init__(self) -> None:
        self.kept = Kept(self.url)

    def deploy(self, expected: Expected) -> Deployment:
        """Give a fresh deployment."""
        self.runner.run(empty_database(self.url))
        world = self.kept.world(self.runner, Inhabitants())
        world.settle_in()
        return _looked_at(world, expected)


def _looked_at(world: PinWorld, expected: Expected) -> Deployment:
    database = RawDatabase(world.url, world.runner)
    soundness = Soundness(world, expected, database)
    soundness.begin()

    def end() -> None:
        world.close()
        database.close()

    return Deployment(world, soundness, end)


@contextmanager
def sqlite_places() -> Iterator[SqlitePlaces]:
    """Give places for SQLite files, removed at the end."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        in_memory = MEMORY if MEMORY.is_dir() else None
        directory = stack.enter_context(tempfile.TemporaryDirectory(dir=in_memory))
        places = SqlitePlaces(Path(directory), runner)
        places.prepare()
        yield places


@contextmanager
def postgres_places(url: str | None = None) -> Iterator[PostgresPlaces]:
    """Give places on a PostgreSQL: on the one at `url`, which has the schema, or on an own one."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        if url is None:
            url = stack.enter_context(own_postgres()).url
            runner.run(_prepare_schema(url))
        yield PostgresPlaces(url, runner)


async def _prepare_schema(url: str) -> None:
    database = Database(url, clock=SystemClock(), ids=RandomIds())
    await prepare_schema(database)
    await database.close()


__all__ = [
    "PostgresPlaces",
    "SqlitePlaces",
    "expected_beginning",
    "postgres_places",
    "sqlite_places",
]
