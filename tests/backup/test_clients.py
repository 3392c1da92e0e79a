"""X55 and T33: after a restore nobody takes older state for newer, on either side."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from door import Door, open_door, open_services, problem_of
from driftpin import limits
from driftpin.identity import WORKER
from driftpin.operations.restore_backup import restore_backup
from driftpin.operations.write_backup import write_backup
from driftpin.store.store import Store
from people import People
from stepping import SteppedClock

Restore = Callable[[Door], Awaitable[Door]]


@pytest.fixture
async def door(store: Store, people: People, clock: SteppedClock) -> AsyncIterator[Door]:
    opened = open_door(await open_services(store, clock), people)
    yield opened
    await opened.http.aclose()


@pytest.fixture
def go_back(store: Store, people: People, clock: SteppedClock, tmp_path: Path) -> Restore:
    """Restores the backup in `a.backup`, and opens the door of the server that starts then."""

    async def restore(before: Door) -> Door:
        await restore_backup(store, WORKER, tmp_path / "a.backup", may_replace=True)
        after = open_door(await open_services(store, clock), people)
        after.tokens = before.tokens
        return after

    return restore


@pytest.fixture
def back_up(store: Store, tmp_path: Path) -> Callable[[], Awaitable[Any]]:
    return lambda: write_backup(store, WORKER, tmp_path / "a.backup")


async def started(door: Door, text: str) -> dict[str, Any]:
    for actor in (door.people.owner, door.people.agent):
        await door.token_of(actor)
    await door.hello()
    assert (await door.push(seq=1, AGENTS=text)).status_code == 200
    return await door.chat()


async def test_t33_cursors_from_before_a_restore_are_gone(
    door: Door, back_up: Any, go_back: Restore
) -> None:
    chat = await started(door, "one")
    await door.chat()
    await back_up()
    page = (await door.get(door.people.owner, "/chats?limit=1")).json()
    position = (await door.services.store.first_and_last_position(door.people.owner))[1]
    cursor = door.services.cursors.write_event(position)
    after = await go_back(door)
    owner = after.people.owner
    headers = {"Last-Event-ID": cursor}
    assert problem_of(await after.call(owner, "GET", "/events", headers=headers)) == (
        410,
        "resync_required",
    )
    listed = await after.get(owner, f"/chats?limit=1&cursor={page['next']}")
    assert problem_of(listed) == (410, "cursor_expired")
    headers = {"Last-Event-ID": "1.1.1.5"}
    stream = await after.call(owner, "GET", f"/chats/{chat['id']}/stream", headers=headers)
    assert problem_of(stream) == (410, "resync_required")


async def test_t33_a_tag_of_the_lost_time_never_matches_again(
    door: Door, back_up: Any, go_back: Restore
) -> None:
    chat = await started(door, "one")
    await back_up()
    await door.push(seq=2, AGENTS="two")
    path, owner = f"/chats/{chat['id']}/context", door.people.owner
    lost = (await door.call(owner, "PUT", path, {})).headers["ETag"]
    after = await go_back(door)
    # The same revision with the same contents comes about again, in another history.
    incarnation = (await after.hello("run")).json()["incarnation"]
    await after.push(seq=1, incarnation=incarnation, AGENTS="two")
    again = await after.call(owner, "PUT", path, {})
    assert again.json()["revision"] == 2
    assert again.headers["ETag"] != lost
    refused = await after.call(owner, "PUT", path, {}, headers={"If-Match": lost})
    assert problem_of(refused) == (412, "precondition_failed")


async def test_x55_a_run_of_the_backup_says_hello_again_and_goes_on(
    door: Door, back_up: Any, go_back: Restore
) -> None:
    await started(door, "one")
    await back_up()
    assert (await door.push(seq=2, AGENTS="two")).status_code == 200
    after = await go_back(door)
    early = await after.push(seq=3, AGENTS="three")
    assert problem_of(early) == (409, "hello_required")
    said = (await after.hello("run")).json()
    assert said["incarnation"] > limits.INCARNATIONS_PER_EPOCH_MAX
    pushed = await after.push(seq=1, incarnation=said["incarnation"], AGENTS="three")
    assert pushed.json()["result"] == "accepted"


async def test_x55_a_run_that_was_overtaken_in_the_lost_time_cannot_pass_for_the_newest(
    door: Door, back_up: Any, go_back: Restore
) -> None:
    await started(door, "one")
    await back_up()
    lost = [(await door.hello(f"run {number}")).json()["incarnation"] for number in (2, 3)]
    after = await go_back(door)
    now = (await after.hello("run 3")).json()["incarnation"]
    assert now not in lost
    for incarnation in lost:
        stale = await after.push(seq=9, incarnation=incarnation, AGENTS="stale")
        assert problem_of(stale) == (409, "hello_required")
    # The overtaken run of the backup itself stays overtaken.
    assert problem_of(await after.hello("run")) == (409, "fenced")


async def test_receipts_and_the_signing_key_survive(
    door: Door, back_up: Any, go_back: Restore
) -> None:
    await started(door, "one")
    key = await door.services.store.get_deployment(WORKER, "signing_key")
    receipt_key = (await door.get(door.people.owner, "/receipt-key")).json()
    await back_up()
    after = await go_back(door)
    assert await after.services.store.get_deployment(WORKER, "signing_key") == key
    assert (await after.get(after.people.owner, "/receipt-key")).json() == receipt_key
