from collections.abc import AsyncIterator

import pytest

from door import Door, open_door, open_services
from driftpin.server.services import Services
from driftpin.store.store import Store
from people import People
from served import Site, open_site
from stepping import SteppedClock


@pytest.fixture
async def services(store: Store, clock: SteppedClock) -> Services:
    return await open_services(store, clock)


@pytest.fixture
async def door(services: Services, people: People) -> AsyncIterator[Door]:
    opened = open_door(services, people)
    yield opened
    await opened.http.aclose()


@pytest.fixture
async def greeted(door: Door) -> Door:
    """The door of a server to which the owner's agent has said hello."""
    await door.hello()
    return door


@pytest.fixture
async def site(database_url: str) -> AsyncIterator[Site]:
    async with open_site(database_url) as opened:
        yield opened
