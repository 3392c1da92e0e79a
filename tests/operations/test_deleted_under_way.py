"""Operations that wait for a lock while their chat is deleted."""

import asyncio

import pytest

from driftpin.errors import NotFound
from driftpin.identity import WORKER
from driftpin.operations.create_chat import create_chat
from driftpin.operations.delete_chat import delete_chat
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.settle_pin import settle_pin
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.store import Store
from driftpin.store.values import PinMove
from driftpin.store.writing.heads import lock_workspace
from people import People


@pytest.mark.parametrize("verb", ["settle", "rebind"])
async def test_a_verb_whose_chat_is_deleted_while_it_waits_finds_none(
    store: Store, people: People, verb: str
) -> None:
    chat = (await create_chat(store, people.owner, people.workspace_id)).chat
    is_held, release = asyncio.Event(), asyncio.Event()

    async def hold(transaction: Transaction) -> None:
        await lock_workspace(transaction, people.workspace_id)
        is_held.set()
        await release.wait()

    holding = asyncio.create_task(store.database.write(hold))
    await is_held.wait()
    if verb == "settle":
        waiting = asyncio.create_task(settle_pin(store, WORKER, chat.id))
    else:
        waiting = asyncio.create_task(
            rebind_chat(store, people.owner, chat.id, people.agent.agent_id)
        )
    deleting = asyncio.create_task(delete_chat(store, people.owner, chat.id))
    await asyncio.wait({deleting}, timeout=1)
    release.set()
    await holding
    await deleting
    (outcome,) = await asyncio.gather(waiting, return_exceptions=True)
    # SQLite's writers queue: whoever came first is done before the chat is deleted.
    expected = PinMove if store.database.engine_kind is EngineKind.SQLITE else NotFound
    assert isinstance(outcome, expected)
