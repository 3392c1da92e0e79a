"""What a turn left behind, over HTTP: its prompt rendered again, and a proof of all receipts."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from door import Door, open_door, open_services
from driftpin.chat.receipt_check import check_export
from driftpin.chat.receipt_key import public_key_from_pem
from driftpin.identity import WORKER
from driftpin.models.offline import OfflineModel
from driftpin.operations.collect_garbage import Retention, collect_garbage
from driftpin.operations.refresh_context import refresh_context
from driftpin.store.database import Transaction
from driftpin.store.tables import receipts
from people import People
from runner.room import Room
from stepping import SteppedClock

AGED = Retention(
    grace=timedelta(seconds=1), heads=timedelta(seconds=1), history=timedelta(seconds=1)
)


@pytest.fixture
async def door(room: Room, people: People, clock: SteppedClock) -> AsyncIterator[Door]:
    room.models.known["tested"] = OfflineModel()
    opened = open_door(await open_services(room.store, clock), people)
    # The services took the announcements over, and nobody here waits for them.
    room.store.database.announce_commits_to(room.commits.announce)
    yield opened
    await opened.http.aclose()


async def asked(room: Room, turn: int = 1) -> None:
    await room.send("How do we indent?")
    assert (await room.finished(turn)).state == "done"


async def rewrite(room: Room, number: int, **fields: object) -> None:
    """Change an entry behind everybody's back, as whoever holds the database can."""
    rows = await room.store.list_receipts(room.owner, room.chat_id, None)
    content = json.dumps({**rows[number - 1].content, **fields})

    async def change(transaction: Transaction) -> None:
        statement = update(receipts).where(receipts.c.number == number)
        await transaction.connection.execute(statement.values(content=content))

    await room.store.database.write(change)


async def test_an_export_of_a_real_chat_is_whole_and_names_the_servers_key(
    room: Room, door: Door
) -> None:
    await asked(room)
    await asked(room, 2)
    key = (await door.get(room.owner, "/receipt-key")).json()
    answer = await door.get(room.owner, f"/chats/{room.chat_id}/receipts")
    assert answer.headers["content-type"] == "application/jsonl"
    assert "attachment" in answer.headers["content-disposition"]
    checked = check_export(answer.content, expected=key["fingerprint"])
    assert checked.findings == ()
    assert (checked.chat_id, checked.entries) == (room.chat_id, 4)
    assert public_key_from_pem(key["pem"].encode()) == checked.key


async def test_an_export_tells_what_was_changed_in_the_database(room: Room, door: Door) -> None:
    await asked(room)
    await rewrite(room, 2, outcome="failed")
    answer = await door.get(room.owner, f"/chats/{room.chat_id}/receipts")
    found = [(each.code.value, each.number) for each in check_export(answer.content).findings]
    assert found == [("changed_entry", 2)]


async def test_the_prompt_is_rendered_again_from_the_pin_of_its_turn(
    room: Room, door: Door
) -> None:
    await asked(room)
    await room.push(b"Indent with tabs.\n")
    await refresh_context(room.store, room.owner, room.chat_id, to=None)
    await asked(room, 2)
    for turn, rule in ((1, "two spaces"), (2, "tabs")):
        path = f"/chats/{room.chat_id}/turns/{turn}/receipt"
        shown = (await door.get(room.owner, f"{path}?prompt=1")).json()
        assert rule in shown["prompt"]
        assert shown["prompt_missing"] is None
        assert (await door.get(room.owner, path)).json()["prompt"] is None


async def test_a_receipt_past_its_retention_is_shown_and_says_that_its_prompt_has_gone(
    room: Room, door: Door, clock: SteppedClock
) -> None:
    await asked(room)
    await room.push(b"Indent with tabs.\n")
    await refresh_context(room.store, room.owner, room.chat_id, to=None)
    clock.step(1_000)
    while not (await collect_garbage(room.store, WORKER, AGED)).is_empty:
        clock.step(10)
    answer = await door.get(room.owner, f"/chats/{room.chat_id}/turns/1/receipt?prompt=1")
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["prompt"], shown["prompt_missing"]) == (None, "snapshot_expired")
    assert shown["is_chain_whole"]
    answer = await door.get(room.owner, f"/chats/{room.chat_id}/receipts")
    assert check_export(answer.content).is_whole


async def test_a_prompt_of_another_renderer_is_not_passed_off_as_the_one_that_was_sent(
    room: Room, door: Door
) -> None:
    await asked(room)
    path = f"/chats/{room.chat_id}/turns/1/receipt?prompt=1"
    for field, written, missing in (
        ("budget_tokens", 1, "digest_mismatch"),
        ("renderer_version", 0, "renderer_changed"),
    ):
        await rewrite(room, 1, **{field: written})
        shown = (await door.get(room.owner, path)).json()
        assert (shown["prompt"], shown["prompt_missing"]) == (None, missing)
        assert not shown["is_chain_whole"]
