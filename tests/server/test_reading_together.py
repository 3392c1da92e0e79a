"""What several statements read for one answer is of one moment, or is read again."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from door import Door, open_door, open_services, problem_of
from driftpin.identity import Actor, ChatId
from driftpin.store.store import Store
from driftpin.store.values import PinnedRead
from people import People
from stepping import SteppedClock


class OvertakenStore(Store):
    """The store, with others who do something right after a pin's manifest was read."""

    overtake: Callable[[], Awaitable[object]] | None = None

    async def read_pin(self, actor: Actor, chat_id: ChatId) -> PinnedRead:
        pin = await super().read_pin(actor, chat_id)
        overtake, self.overtake = self.overtake, None
        if overtake is not None:
            await overtake()
        return pin


@pytest.fixture
async def overtaken(store: Store) -> OvertakenStore:
    return OvertakenStore(store.database)


@pytest.fixture
async def door(
    overtaken: OvertakenStore, clock: SteppedClock, people: People
) -> AsyncIterator[Door]:
    opened = open_door(await open_services(overtaken, clock), people)
    await opened.hello()
    yield opened
    await opened.http.aclose()


async def test_a_context_lists_what_one_pin_holds_though_it_moves_meanwhile(
    door: Door, overtaken: OvertakenStore
) -> None:
    await door.push(seq=1, AGENTS="one", GONE="gone")
    chat = await door.chat()
    await door.push(seq=2, AGENTS="another")
    path = f"/chats/{chat['id']}/context"
    overtaken.overtake = lambda: door.call(door.people.owner, "PUT", path, {})
    context = (await door.get(door.people.owner, path)).json()
    assert context["revision"] == 2
    assert [(each["source"], each["size_bytes"]) for each in context["resources"]] == [
        ("workspace:AGENTS.md", len("another"))
    ]


async def test_an_export_that_is_overtaken_by_an_unshare_finds_nothing(
    door: Door, overtaken: OvertakenStore
) -> None:
    people = door.people
    await door.push(seq=1, AGENTS="one")
    chat = await door.chat()
    shares = f"/chats/{chat['id']}/shares"
    share = {"user_id": people.other.user_id, "access": "read"}
    await door.call(people.owner, "PUT", shares, share)
    assert (await door.get(people.other, f"/chats/{chat['id']}/export")).status_code == 200
    overtaken.overtake = lambda: door.call(
        people.owner, "DELETE", f"{shares}/{people.other.user_id}"
    )
    response = await door.get(people.other, f"/chats/{chat['id']}/export")
    assert problem_of(response) == (404, "not_found")
