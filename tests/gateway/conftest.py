"""One engine for what the engine has nothing to do with."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from door import Door, open_door, open_services
from driftpin.store.database import EngineKind
from driftpin.store.store import Store
from people import People
from pristine import empty_database
from stepping import SteppedClock


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An empty SQLite database with the schema in it."""
    path = tmp_path / "driftpin.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgres_url: str) -> str:
    """An empty PostgreSQL database with the schema in it."""
    asyncio.run(empty_database(postgres_url))
    return postgres_url


@pytest.fixture
def engine_kind() -> EngineKind:
    return EngineKind.SQLITE


@pytest.fixture
async def door(store: Store, clock: SteppedClock, people: People) -> AsyncIterator[Door]:
    opened = open_door(await open_services(store, clock), people)
    await opened.hello()
    yield opened
    await opened.http.aclose()
