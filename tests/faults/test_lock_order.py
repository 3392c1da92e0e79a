"""Whoever archives a chat waits for its pin before it takes the chat, as whoever deletes it."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from driftpin.identity import ChatId
from driftpin.operations.update_chat import update_chat
from faults.places import fresh_postgres, opened, settle

WAIT_S = 5.0
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def own_url(postgres_server: str) -> Iterator[str]:
    with fresh_postgres(postgres_server) as url:
        yield url


async def test_archiving_a_chat_holds_nothing_that_its_deletion_needs(own_url: str) -> None:
    world = (await settle(own_url)).world
    deleting = await asyncpg.connect(own_url)
    async with opened(own_url) as store:
        await deleting.execute("BEGIN")
        pin = "SELECT 1 FROM chat_pins WHERE chat_id = $1 FOR NO KEY UPDATE"
        await deleting.execute(pin, world.chat_id)
        archiving = asyncio.create_task(
            update_chat(store, world.owner, ChatId(world.chat_id), is_archived=True)
        )
        async with asyncio.timeout(WAIT_S):
            while not await deleting.fetchval(WAITING):
                pass
        await deleting.execute("SELECT 1 FROM chats WHERE id = $1 FOR UPDATE NOWAIT", world.chat_id)
        await deleting.execute("ROLLBACK")
        assert (await archiving).chat.archived_at is not None
    await deleting.close()
