"""Reading what moved a pin, in pages, and writing the first row of it."""

from typing import Any

import pytest

from driftpin.errors import Conflict, Malformed, NotFound
from driftpin.operations.hydrate_chats import birth_on
from driftpin.operations.refresh_context import refresh_context
from driftpin.store.database import Transaction
from driftpin.store.store import Store

NEVER_STORED = 10**9


async def test_pages_of_a_history_join_without_gap_or_repetition(stage: Any, store: Store) -> None:
    await stage.agent.push({"AGENTS.md": "0"})
    chat_id = await stage.chat()
    for number in range(1, 5):
        await stage.agent.push({"AGENTS.md": str(number)})
        await refresh_context(store, stage.owner, chat_id)
    revisions: list[int] = []
    cursor: str | None = None
    while True:
        page = await store.list_history(stage.owner, chat_id, cursor, 2)
        revisions += [move.revision for move in page.items]
        assert len(page.items) <= 2
        if page.next is None:
            break
        cursor = page.next
    assert revisions == [5, 4, 3, 2, 1]


async def test_a_cursor_of_a_history_that_is_no_number_is_refused(stage: Any, store: Store) -> None:
    chat_id = await stage.chat()
    with pytest.raises(Malformed) as caught:
        await store.list_history(stage.owner, chat_id, "x", 2)
    assert caught.value.code == "bad_cursor"


async def test_nobody_reads_the_pin_of_a_chat_that_is_hidden_from_them(
    stage: Any, store: Store, people: Any
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    for reading in (
        store.list_history(people.other, chat_id, None, 2),
        store.list_pinned_entries(people.other, chat_id),
        store.read_pin(people.other, chat_id),
    ):
        with pytest.raises(NotFound):
            await reading


async def test_a_pin_is_read_with_the_manifest_that_it_names(stage: Any, store: Store) -> None:
    chat_id = await stage.chat()
    unpinned = await store.read_pin(stage.owner, chat_id)
    assert (unpinned.revision, unpinned.snapshot, unpinned.manifest) == (0, None, None)
    push = stage.agent.next_push({"AGENTS.md": "one"})
    pushed = await stage.agent.send(push)
    pinned = await store.read_pin(stage.owner, chat_id)
    assert (pinned.chat.id, pinned.agent_id) == (chat_id, stage.agent.id)
    assert (pinned.revision, pinned.snapshot, pinned.manifest) == (
        *(1, pushed.head, push.snapshot.manifest),
    )


async def test_chats_that_one_event_moved_are_listed_in_pages(stage: Any, store: Store) -> None:
    chats = sorted([await stage.chat() for _ in range(3)])
    await stage.agent.push({"AGENTS.md": "one"})
    (event_id,) = {row.event_id for chat in chats for row in await stage.history(chat)}
    first = await store.list_pin_moves(stage.owner, event_id, limit=2)
    rest = await store.list_pin_moves(stage.owner, event_id, after=first[-1].chat_id, limit=2)
    assert [move.chat_id for move in (*first, *rest)] == chats


async def test_a_new_chat_is_not_pinned_to_what_is_no_longer_kept(stage: Any, store: Store) -> None:
    async def pin(transaction: Transaction) -> None:
        await birth_on(transaction, stage.owner, NEVER_STORED, None, {})

    with pytest.raises(Conflict) as caught:
        await store.database.write(pin)
    assert caught.value.code == "snapshot_expired"
