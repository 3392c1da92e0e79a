"""What the tests of the seams share: the world of all callers, a door into it, and the books."""

from collections.abc import AsyncIterator, Callable

import pytest

from door import Door, open_door, open_services
from driftpin.store.store import Store
from people import People
from seams.access_world import World, build_world
from seams.ledger import Note, noted_by
from stepping import SteppedClock


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Note:
    """Notes which door was tried by whom."""
    return noted_by(record_property)


@pytest.fixture
async def world(store: Store, people: People, clock: SteppedClock) -> World:
    return await build_world(store, people, clock)


@pytest.fixture
async def door(world: World) -> AsyncIterator[Door]:
    services = await open_services(world.store, world.clock)
    opened = open_door(services, world.people)
    yield opened
    await opened.http.aclose()
