"""A door over a database whose waits are short, so that a fault shows at once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from door import Door, open_door, open_services
from driftpin.store.database import Database
from driftpin.store.store import Store
from people import People
from stepping import CountingIds, SteppedClock

WAIT_S = 0.5
OpenDoor = Callable[..., Awaitable[Door]]


@pytest.fixture
async def open_impatient(
    database_url: str, people: People, clock: SteppedClock, ids: CountingIds
) -> AsyncIterator[OpenDoor]:
    """Opens a door; keywords go to the database."""
    opened: list[Door] = []

    async def open_one(**waits: Any) -> Door:
        database = Database(database_url, clock=clock, ids=ids, **{"wait_s": WAIT_S, **waits})
        opened.append(open_door(await open_services(Store(database), clock), people))
        # Signing in needs the storage too, so it is done while that is sound.
        for actor in (people.owner, people.agent):
            await opened[-1].token_of(actor)
        await opened[-1].hello()
        return opened[-1]

    yield open_one
    for door in opened:
        await door.http.aclose()
        await door.services.store.database.close()
