"""One engine for what the engine has nothing to do with."""

import asyncio
import shutil
from pathlib import Path

import pytest

from pristine import empty_database


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
