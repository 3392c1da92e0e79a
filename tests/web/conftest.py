"""One browser for all tests of the pages, and one server with its agent for each of their files."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
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
    script = root / "script.json"
    machine = Machine(root, bytecode, {"DRIFTPIN_SCRIPT": str(script), **variables})
    machine.make_workspace()
    up = start_up(machine)
    try:
        yield House(machine, up.ready["url"], up.ready["token"], script)
    finally:
        stop_up(up)


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, speaker: Speaker
) -> Iterator[House]:
    """A machine on which `driftpin up` runs, asking the stand-in when a chat names it."""
    with _house(request, tmp_path_factory.mktemp("pages"), **speaker.variables) as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def either_house(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, speaker: Speaker
) -> Iterator[House]:
    """The same with its database in a file, and once more with it in PostgreSQL."""
    variables = dict(speaker.variables)
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        asyncio.run(empty_database(url))
        variables["DRIFTPIN_DATABASE_URL"] = url
    with _house(request, tmp_path_factory.mktemp("pages"), **variables) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def person(browser: Browser, house: House) -> AsyncIterator[Person]:
    async with _person(browser, house) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def steerer(browser: Browser, either_house: House) -> AsyncIterator[Person]:
    """A person on either database."""
    async with _person(browser, either_house) as opened:
        yield opened


@asynccontextmanager
async def _person(browser: Browser, house: House) -> AsyncIterator[Person]:
    async with signed_in(browser, house) as opened:
        yield opened
        await opened.tell()
        # Whatever a page says is a fault of it: a blocked script, a broken reference, a dialog.
        assert opened.said == []
        assert opened.foreign == []
