"""What an operation may go on with: the row as it is now, or a refusal that tells no more."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select

from driftpin.errors import Forbidden, NotFound
from driftpin.identity import WORKER, Actor, ChatId
from driftpin.operations.create_chat import create_chat
from driftpin.operations.delete_agent import delete_agent
from driftpin.operations.delete_workspace import delete_workspace
from driftpin.operations.share_chat import share_chat
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.store import Store
from driftpin.store.tables import audit
from driftpin.store.values import Access
from driftpin.store.writing.permits import (
    Lock,
    check_on_chat,
    permit_on_agent,
    permit_on_chat,
    permit_on_workspace,
)
from people import People

Work = Callable[[Transaction], Awaitable[Any]]

pytestmark = pytest.mark.parametrize("engine_kind", [EngineKind.SQLITE], indirect=True, ids=str)


@pytest.fixture
async def chat_id(store: Store, people: People) -> ChatId:
    view = await create_chat(store, people.owner, people.workspace_id)
    await share_chat(store, people.owner, view.chat.id, people.other_id, Access.READ)
    return view.chat.id


async def audited(store: Store) -> list[tuple[str, str, str]]:
    async with store.database.read() as connection:
        rows = await connection.execute(
            select(audit).where(audit.c.actor != WORKER.name).order_by(audit.c.id)
        )
        return [(row.actor, row.action, row.subject) for row in rows]


def on_chat(actor: Actor, chat_id: ChatId, needed: Access, lock: Lock = Lock.NONE) -> Work:
    return lambda transaction: permit_on_chat(
        transaction, actor, chat_id, needed, action="try", lock=lock
    )


@pytest.mark.parametrize("lock", Lock)
async def test_a_chat_is_given_to_whom_it_is_shared_with_as_far_as_that_goes(
    store: Store, people: People, chat_id: ChatId, lock: Lock
) -> None:
    chat = await store.database.write(on_chat(people.other, chat_id, Access.READ, lock))
    assert (chat.id, chat.owner_id, chat.workspace_id) == (
        *(chat_id, people.owner_id, people.workspace_id),
    )
    with pytest.raises(Forbidden):
        await store.database.write(on_chat(people.other, chat_id, Access.UPDATE, lock))
    assert await store.database.write(on_chat(people.owner, chat_id, Access.OWNER, lock)) == chat
    assert await audited(store) == []


async def test_what_a_caller_does_not_see_is_not_there(
    store: Store, people: People, chat_id: ChatId
) -> None:
    hidden: tuple[Work, ...] = (
        on_chat(people.agent, chat_id, Access.READ),
        lambda transaction: permit_on_workspace(
            transaction, people.other, people.workspace_id, action="try"
        ),
        lambda transaction: permit_on_agent(
            transaction, people.other, people.agent_id, action="try"
        ),
    )
    for work in hidden:
        with pytest.raises(NotFound):
            await store.database.write(work)


async def test_an_administrator_leaves_its_name_where_it_acts_on_anothers_things(
    store: Store, people: People, chat_id: ChatId
) -> None:
    async def act(transaction: Transaction) -> None:
        actor = people.administrator
        await permit_on_chat(transaction, actor, chat_id, Access.OWNER, action="one")
        await check_on_chat(transaction, actor, chat_id, Access.OWNER)
        await permit_on_workspace(transaction, actor, people.workspace_id, action="two")
        await permit_on_workspace(transaction, actor, people.foreign_workspace_id, action="own")
        await permit_on_agent(transaction, actor, people.agent_id, action="three")
        await permit_on_agent(transaction, actor, people.foreign_agent_id, action="own")

    await store.database.write(act)
    name = people.administrator.name
    assert await audited(store) == [
        (name, "one", f"chat:{chat_id}"),
        (name, "two", f"workspace:{people.workspace_id}"),
        (name, "three", f"agent:{people.agent_id}"),
    ]


async def test_a_row_is_given_as_it_is_now(store: Store, people: People) -> None:
    async def look(transaction: Transaction) -> tuple[Any, Any]:
        return (
            await permit_on_workspace(
                transaction, people.owner, people.workspace_id, action="try", lock=Lock.SHARED
            ),
            await permit_on_agent(
                transaction, people.owner, people.agent_id, action="try", lock=Lock.EXCLUSIVE
            ),
        )

    workspace, agent = await store.database.write(look)
    assert (workspace.id, workspace.owner_id, workspace.current_agent_id) == (
        *(people.workspace_id, people.owner_id, None),
    )
    assert (agent.id, agent.workspace_id, agent.owner_id) == (
        *(people.agent_id, people.workspace_id, people.owner_id),
    )
    assert (agent.name, agent.incarnation, agent.locked_at) == ("an agent", 0, None)


async def test_what_was_deleted_is_not_there_for_its_owner(store: Store, people: People) -> None:
    await delete_agent(store, people.owner, people.agent_id)
    with pytest.raises(NotFound):
        await store.database.write(
            lambda transaction: permit_on_agent(
                transaction, people.owner, people.agent_id, action="try"
            )
        )
    await delete_workspace(store, people.owner, people.workspace_id)
    with pytest.raises(NotFound):
        await store.database.write(
            lambda transaction: permit_on_workspace(
                transaction, people.owner, people.workspace_id, action="try"
            )
        )
