"""One browser for all tests of the pages, and one server with its agent for each of their files."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from cli.machine import Machine, start_up, stop_up
from pristine import empty_database
from web.browsing import Person, chromium, signed_in
from web.house import House
from web.speaking import Speaker, speaking


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def speaker() -> AsyncIterator[Speaker]:
    async with speaking() as opened:
        yield opened


@contextmanager
def _house(request: pytest.FixtureRequest, root: Path, **variables: str) -> Iterator[House]:
    assert request.config.cache is not None
    bytecode: Path = request.config.cache.mkdir("bytecode")
    machine = Machine(root, bytecode, variables)
    machine.make_workspace()
    up = start_up(machine)
    try:
        yield House(machine, up.ready["url"], up.ready["token"])
    finally:
        stop_up(up)


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, speaker: Speaker
) -> Iterator[House]:
    """A machine on which `driftpin up` runs, asking the stand-in when a chat names it."""
    with _house(request, tmp_path_factory.mktemp("pages"), **speaker.variables) as opened:
        yield opened


@pytest.fixture
def house_on_postgresql(
    tmp_path: Path, request: pytest.FixtureRequest, postgres_url: str, speaker: Speaker
) -> Iterator[House]:
    """The same with its database in PostgreSQL."""
    asyncio.run(empty_database(postgres_url))
    variables = {"DRIFTPIN_DATABASE_URL": postgres_url, **speaker.variables}
    with _house(request, tmp_path, **variables) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def person(browser: Browser, house: House) -> AsyncIterator[Person]:
    async with signed_in(browser, house) as opened:
        yield opened
        await opened.tell()
        # Whatever a page says is a fault of it: a blocked script, a broken reference, a dialog.
        assert opened.said == []
        assert opened.foreign == []
