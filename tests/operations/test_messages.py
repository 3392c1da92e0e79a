"""What is said in a chat: in order, whole, and within bounds."""

import asyncio

import pytest

from driftpin.chat.messages import user_message
from driftpin.chat.states import ChatState
from driftpin.errors import Conflict, Rejected
from driftpin.identity import ChatId
from driftpin.operations.create_chat import create_chat
from driftpin.operations.send_message import send_message
from driftpin.operations.update_chat import update_chat
from driftpin.store.store import Store
from driftpin.store.values import TurnState
from people import People


async def chat_of(store: Store, people: People) -> ChatId:
    return (await create_chat(store, people.owner, people.workspace_id)).chat.id


async def test_a_message_starts_a_turn_and_the_next_one_queues_behind_it(
    store: Store, people: People
) -> None:
    chat_id = await chat_of(store, people)
    first, turn = await send_message(store, people.owner, chat_id, user_message("one"))
    assert (first.position, first.turn, turn.number, turn.state) == (1, 1, 1, TurnState.WAITING)
    second, queued = await send_message(store, people.owner, chat_id, user_message("two"))
    assert (second.position, second.turn, queued.number) == (2, 2, 2)
    assert (await store.get_chat(people.owner, chat_id)).chat.state is ChatState.RUNNING
    page = await store.list_messages(people.owner, chat_id, None, 1)
    rest = await store.list_messages(people.owner, chat_id, page.next, 1)
    assert (page.items, rest.items, rest.next) == ((first,), (second,), None)
    assert await store.list_turns(people.owner, chat_id) == (turn, queued)
    assert await store.list_turns(people.owner, chat_id, first=2) == (queued,)


async def test_messages_that_are_sent_at_once_get_places_of_their_own(
    store: Store, people: People
) -> None:
    chat_id = await chat_of(store, people)
    await asyncio.gather(
        *(send_message(store, people.owner, chat_id, user_message(str(n))) for n in range(8))
    )
    page = await store.list_messages(people.owner, chat_id, None, 100)
    assert [message.position for message in page.items] == list(range(1, 9))
    assert sorted(message.turn for message in page.items) == list(range(1, 9))


async def test_an_archived_chat_takes_no_message(store: Store, people: People) -> None:
    chat_id = await chat_of(store, people)
    await update_chat(store, people.owner, chat_id, is_archived=True)
    with pytest.raises(Conflict) as refusal:
        await send_message(store, people.owner, chat_id, user_message("one"))
    assert refusal.value.code == "chat_archived"
    assert (await store.list_messages(people.owner, chat_id, None, 10)).items == ()


@pytest.mark.parametrize(("text", "code"), [("x" * 524_289, "too_long"), (" \n", "empty")])
async def test_messages_past_a_limit_or_empty_are_refused(
    store: Store, people: People, text: str, code: str
) -> None:
    chat_id = await chat_of(store, people)
    with pytest.raises(Rejected) as refusal:
        await send_message(store, people.owner, chat_id, user_message(text))
    assert refusal.value.code == code


async def test_a_message_keeps_every_character(store: Store, people: People) -> None:
    chat_id = await chat_of(store, people)
    text = "x" * 1000 + '\0 \u202e "quoted" \U0001f600'
    row, _ = await send_message(store, people.owner, chat_id, user_message(text))
    page = await store.list_messages(people.owner, chat_id, None, 10)
    assert page.items == (row,)
    assert row.content["parts"][0]["text"] == text
