"""Lists of chats: filters, sorting, cursors."""

from typing import Any

import pytest

from driftpin.errors import Malformed
from driftpin.identity import ChatId
from driftpin.operations.create_chat import create_chat
from driftpin.operations.update_chat import update_chat
from driftpin.store.store import Store
from people import People
from pushing import Pusher
from stepping import SteppedClock


@pytest.fixture
def pusher(store: Store, people: People) -> Pusher:
    return Pusher(store, people.agent)


async def chat_of(store: Store, people: People, title: str = "a chat") -> ChatId:
    return (await create_chat(store, people.owner, people.workspace_id, title=title)).chat.id


async def titles(store: Store, people: People, **asked: Any) -> list[str]:
    page = await store.list_chats(people.owner, limit=100, **asked)
    return [view.chat.title for view in page.items]


async def test_lists_are_filtered_by_each_of_their_filters(
    store: Store, people: People, pusher: Pusher, clock: SteppedClock
) -> None:
    await pusher.push(AGENTS="one")
    made = {}
    for title in ("Alpha", "beta", "gamma"):
        clock.step(1)
        made[title] = await chat_of(store, people, title)
    await pusher.push(AGENTS="two")
    clock.step(1)
    made["delta"] = await chat_of(store, people, "delta")
    await update_chat(store, people.owner, made["beta"], is_archived=True)
    assert await titles(store, people) == ["delta", "gamma", "Alpha"]
    assert await titles(store, people, sort="created") == ["Alpha", "gamma", "delta"]
    assert await titles(store, people, is_archived=True) == ["beta"]
    assert await titles(store, people, is_archived=None, is_dirty=True) == [
        "gamma",
        "beta",
        "Alpha",
    ]
    assert await titles(store, people, is_dirty=False) == ["delta"]
    assert await titles(store, people, text="ALPH") == ["Alpha"]
    assert await titles(store, people, workspace_id=people.workspace_id) == [
        "delta",
        "gamma",
        "Alpha",
    ]
    assert await titles(store, people, workspace_id=people.foreign_workspace_id) == []


async def test_the_dirty_filter_says_what_each_chats_context_says(
    store: Store, people: People, pusher: Pusher
) -> None:
    await chat_of(store, people, "unpinned then hydrated")
    await pusher.push(AGENTS="one")
    await chat_of(store, people, "pinned")
    await pusher.push(AGENTS="two")
    await chat_of(store, people, "newest")
    for is_dirty in (True, False):
        page = await store.list_chats(people.owner, is_dirty=is_dirty, limit=100)
        assert page.items
        assert {view.context.dirty for view in page.items} == {is_dirty}
    await pusher.push(AGENTS="one")
    page = await store.list_chats(people.owner, is_dirty=True, limit=100)
    assert [view.chat.title for view in page.items] == ["newest"]


@pytest.mark.parametrize("text", ["100%", "_", "'; DROP TABLE chats; --", "\\", '"', "%"])
async def test_f16_a_filter_is_matched_literally(store: Store, people: People, text: str) -> None:
    await chat_of(store, people, "nothing of it")
    assert await titles(store, people, text=text) == []
    await chat_of(store, people, f"has {text} in it")
    assert await titles(store, people, text=text) == [f"has {text} in it"]


async def test_f16_a_filter_that_no_title_can_match_finds_nothing(
    store: Store, people: People
) -> None:
    await chat_of(store, people)
    assert await titles(store, people, text="\0") == []
    assert await titles(store, people, text="x" * 100_000) == []


@pytest.mark.parametrize("sort", ["", "-", "owner_id", "created;", "--created", "title"])
async def test_f16_an_unknown_sort_key_is_refused(store: Store, people: People, sort: str) -> None:
    with pytest.raises(Malformed) as refusal:
        await store.list_chats(people.owner, sort=sort, limit=10)
    assert refusal.value.code == "bad_sort"


@pytest.mark.parametrize("after", ["", "x", "[1, 2]", '["2026-01-01", "x"]', "null", "[]"])
async def test_f14_a_cursor_from_elsewhere_is_refused(
    store: Store, people: People, after: str
) -> None:
    with pytest.raises(Malformed) as refusal:
        await store.list_chats(people.owner, after=after, limit=10)
    assert refusal.value.code == "bad_cursor"


@pytest.mark.parametrize("sort", ["created", "-created", "updated", "-updated"])
async def test_pages_neither_skip_nor_repeat_even_at_equal_instants(
    store: Store, people: People, clock: SteppedClock, sort: str
) -> None:
    made = []
    for number in range(7):
        clock.step(number % 2)
        made.append(await chat_of(store, people, str(number)))
    seen: list[ChatId] = []
    after = None
    while True:
        page = await store.list_chats(people.owner, sort=sort, after=after, limit=2)
        seen += [view.chat.id for view in page.items]
        if page.next is None:
            break
        after = page.next
    assert sorted(seen) == sorted(made)
    whole = await store.list_chats(people.owner, sort=sort, limit=100)
    assert seen == [view.chat.id for view in whole.items]
