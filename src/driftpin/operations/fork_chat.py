"""Fork a chat: what was said up to a turn, on the pin of that turn."""

from driftpin.chat.options import ChatOptions
from driftpin.errors import Conflict, Forbidden, NotFound
from driftpin.identity import WORKER, Actor, ChatId, UserId
from driftpin.operations.hydrate_chats import birth_on
from driftpin.operations.names import accept_title
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.reading.chats import get_chat
from driftpin.store.reading.outside_calls import list_chat_tools
from driftpin.store.store import Store
from driftpin.store.turn_values import UNFINISHED
from driftpin.store.values import Access, ChatRow, ChatView
from driftpin.store.writing.births import NewChat, insert_chat
from driftpin.store.writing.chats import copy_turns, find_binding, find_turn
from driftpin.store.writing.holds import copy_holds
from driftpin.store.writing.permits import Lock, permit_on_chat, permit_on_workspace


async def fork_chat(
    store: Store, actor: Actor, chat_id: ChatId, turn: int, *, title: str | None = None
) -> ChatView:
    """Return a new chat with the messages up to and with `turn`, pinned to what that turn ran on.

    Without a title it has that of its origin, and it holds what that holds. The acting user owns
    it, so it must be able to see the workspace, not only this chat. Raises Conflict:
    `turn_unfinished`, `snapshot_expired`.
    """
    owner_id = require_user(actor)
    accepted = None if title is None else accept_title(title, "title")

    async def operation(transaction: Transaction) -> ChatView:
        origin = await permit_on_chat(
            transaction, actor, chat_id, Access.UPDATE, action="fork_chat", lock=Lock.SHARED
        )
        await _require_workspace(transaction, actor, origin)
        snapshot_id = await _snapshot_of_turn(transaction, chat_id, turn)
        told: dict[str, str | int] = {"forked_from_id": chat_id, "turn": turn}
        fork = await _fork_of(transaction, origin, owner_id, accepted)
        birth = None
        if snapshot_id is not None:
            agent_id, _ = await find_binding(transaction, chat_id)
            birth = await birth_on(transaction, actor, snapshot_id, agent_id, told)
        fork_id = await insert_chat(transaction, fork, birth, told)
        await copy_turns(transaction, chat_id, fork_id, turn)
        if birth is not None:
            await copy_holds(transaction, chat_id, fork_id)
        return await get_chat(transaction.connection, actor, fork_id)

    return await store.database.write(operation)


async def _require_workspace(transaction: Transaction, actor: Actor, origin: ChatRow) -> None:
    try:
        await permit_on_workspace(
            transaction, actor, origin.workspace_id, action="fork_chat", lock=Lock.SHARED
        )
    except NotFound as hidden:
        raise Forbidden(
            "A fork is a new chat in the workspace; only its owner can make one."
        ) from hidden


async def _snapshot_of_turn(transaction: Transaction, chat_id: ChatId, number: int) -> int | None:
    turn = await find_turn(transaction, chat_id, number)
    if turn is None:
        raise NotFound
    state, pin_revision, snapshot_id = turn
    if state in UNFINISHED:
        raise Conflict("This turn has not ended yet.", code="turn_unfinished")
    if snapshot_id is None and pin_revision is not None:
        raise Conflict("What this turn ran on is no longer kept.", code="snapshot_expired")
    return snapshot_id


async def _fork_of(
    transaction: Transaction, origin: ChatRow, owner_id: UserId, title: str | None
) -> NewChat:
    tools = await list_chat_tools(transaction.connection, WORKER, origin.id)
    return NewChat(
        workspace_id=origin.workspace_id,
        owner_id=owner_id,
        title=origin.title if title is None else title,
        model=origin.model,
        forked_from_id=origin.id,
        policies=origin.policies,
        options=ChatOptions(tools=tools, may_spawn=origin.may_spawn, role=origin.role),
    )


__all__ = ["fork_chat"]
