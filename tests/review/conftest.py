"""Worlds for reviews: most need no server; on SQLite, since what is under test is no storage."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.conftest import bytecode
from review.world import World, make_world, open_world

__all__ = ["bytecode", "served", "world"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


@pytest.fixture
async def served(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[World]:
    """A world with a server, on which every reviewer is a sub-chat."""
    database = tmp_path / "driftpin.db"
    shutil.copyfile(sqlite_template, database)
    async with open_world(f"sqlite:///{database}", tmp_path) as opened:
        yield opened
