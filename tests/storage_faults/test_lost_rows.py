"""A chat that goes away between two looks, and one that damage took a part of."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.errors import NotFound, Unavailable
from driftpin.identity import WORKER, ChatId
from driftpin.operations.create_chat import create_chat
from driftpin.operations.delete_chat import delete_chat
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.settle_pin import settle_pin
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.reading import chats
from driftpin.store.store import Store
from driftpin.store.tables import chat_pins
from people import People

EVERY_CHAT = chats.ChatFilter(None, None, None, None)


class DeletingBetween:
    """A connection on whose first look a chat is deleted, behind it."""

    def __init__(
        self, connection: AsyncConnection, store: Store, people: People, chat_id: ChatId
    ) -> None:
        self._connection = connection
        self._delete = partial(delete_chat, store, people.owner, chat_id)
        self._looks = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, *arguments: Any) -> Any:
        found = await self._connection.execute(*arguments)
        self._looks += 1
        if self._looks == 1:
            await self._delete()
        return found


async def test_a_chat_that_is_deleted_while_it_is_listed_is_left_out(
    store: Store, people: People, engine_kind: EngineKind
) -> None:
    # On SQLite a reader goes on seeing what it saw first.
    is_kept = engine_kind is EngineKind.SQLITE
    stays = (await create_chat(store, people.owner, people.workspace_id)).chat.id
    goes = (await create_chat(store, people.owner, people.workspace_id)).chat.id
    async with store.database.read() as connection:
        between: Any = DeletingBetween(connection, store, people, goes)
        page = await chats.list_chats(
            between, people.owner, EVERY_CHAT, sort=chats.NEWEST_FIRST, after=None, limit=10
        )
        listed = {view.chat.id for view in page.items}
    assert listed == {stays, *([goes] if is_kept else [])}


READS: tuple[Any, ...] = (
    pytest.param(lambda store, actor, _: store.list_chats(actor, limit=10), id="list"),
    pytest.param(lambda store, actor, chat_id: store.get_chat(actor, chat_id), id="chat"),
    pytest.param(lambda store, actor, chat_id: store.read_pin(actor, chat_id), id="pin"),
    pytest.param(
        lambda store, actor, chat_id: store.list_pinned_entries(actor, chat_id), id="entries"
    ),
    pytest.param(lambda store, actor, chat_id: store.read_drift(actor, chat_id), id="drift"),
    pytest.param(refresh_context, id="refresh"),
    pytest.param(lambda store, _, chat_id: settle_pin(store, WORKER, chat_id), id="settle"),
)


@pytest.mark.parametrize("read", READS)
async def test_x13_a_chat_whose_pin_is_lost_is_told_as_damage(
    store: Store, people: People, read: Callable[..., Awaitable[Any]]
) -> None:
    chat_id = await _without_pin(store, people)
    with pytest.raises(Unavailable) as refusal:
        await read(store, people.owner, chat_id)
    assert refusal.value.code == "storage_damaged"
    assert refusal.value.fields["fault_id"]


@pytest.mark.parametrize("read", READS[1:-1])
async def test_x13_damage_is_not_told_to_whom_the_chat_does_not_exist_for(
    store: Store, people: People, read: Callable[..., Awaitable[Any]]
) -> None:
    chat_id = await _without_pin(store, people)
    with pytest.raises(NotFound):
        await read(store, people.other, chat_id)


async def _without_pin(store: Store, people: People) -> ChatId:
    chat_id = (await create_chat(store, people.owner, people.workspace_id)).chat.id

    async def lose(transaction: Transaction) -> None:
        statement = delete(chat_pins).where(chat_pins.c.chat_id == chat_id)
        await transaction.connection.execute(statement)

    await store.database.write(lose)
    return chat_id
