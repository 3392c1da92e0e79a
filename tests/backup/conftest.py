"""A store that was lived in, and empty databases of both engines to restore into."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from driftpin.store.database import Database
from own_postgres import own_postgres
from stepping import CountingIds, SteppedClock

OpenEmpty = Callable[[str], Database]


@pytest.fixture(scope="session")
def spare_postgres() -> Iterator[str]:
    """The URL of another PostgreSQL server, whose transactions are numbered from the beginning."""
    with own_postgres() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each engine without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'restored.db'}"
    url: str = request.getfixturevalue("spare_postgres")
    asyncio.run(_drop_tables(url))
    return url


async def _drop_tables(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()


@pytest.fixture
def open_empty(clock: SteppedClock, ids: CountingIds) -> OpenEmpty:
    """Opens a database; whoever opens it closes it."""
    return lambda url: Database(url, clock=clock, ids=ids)
