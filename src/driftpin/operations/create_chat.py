"""Create a chat: on its workspace's head, on a snapshot, or as a sub-chat on its parent's pin."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from driftpin.chat.options import NO_OPTIONS, ChatOptions, refuse_bad_options
from driftpin.errors import NotFound, Rejected
from driftpin.failpoints import Failpoint
from driftpin.identity import Actor, AgentId, ChatId, Digest, UserId, WorkspaceId
from driftpin.operations.derive_snapshot import derive_subset, require_sources
from driftpin.operations.hydrate_chats import birth_on, birth_on_head
from driftpin.operations.names import accept_title
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.reading.chats import get_chat
from driftpin.store.store import Store
from driftpin.store.values import Access, ChatView, Policy, PolicySet
from driftpin.store.writing.births import Birth, NewChat, insert_chat
from driftpin.store.writing.chats import find_binding
from driftpin.store.writing.permits import Lock, permit_on_chat, permit_on_workspace
from driftpin.store.writing.pins import Move, PinVerb
from driftpin.store.writing.snapshots import find_snapshot

OFFLINE_MODEL: Final = "offline"


@dataclass(frozen=True, slots=True)
class _ChatOrder:
    """What a caller asks for; at most one of `parent_id` and `snapshot`, `sources` of a parent."""

    workspace_id: WorkspaceId
    title: str
    model: str
    parent_id: ChatId | None
    snapshot: Digest | None
    sources: tuple[str, ...] | None
    options: ChatOptions


async def create_chat(
    store: Store,
    actor: Actor,
    workspace_id: WorkspaceId,
    *,
    title: str = "",
    parent_id: ChatId | None = None,
    snapshot: Digest | None = None,
    model: str = OFFLINE_MODEL,
    sources: Sequence[str] | None = None,
    options: ChatOptions = NO_OPTIONS,
) -> ChatView:
    """Create a chat that the acting user owns, in a workspace that it may see.

    Without `parent_id` and `snapshot` the chat pins the workspace's head, if there is one; that
    step may fail, and then the chat is there and its context says so. A sub-chat gets its parent's
    snapshot, or the named `sources` of it, and stays on it. Raises NotFound for an unknown
    snapshot, Rejected (`bad_combination`, `parent_elsewhere`, `unknown_source`), and Rejected for
    `options` that cannot be had (`chat.options`).
    """
    owner_id = require_user(actor)
    refuse_bad_options(options)
    order = _ChatOrder(
        workspace_id=workspace_id,
        title=accept_title(title, "title"),
        model=model,
        parent_id=parent_id,
        snapshot=snapshot,
        sources=None if sources is None else tuple(sources),
        options=options,
    )
    _refuse_combinations(order)

    async def operation(transaction: Transaction) -> ChatView:
        return await _create(transaction, actor, owner_id, order)

    return await store.database.write(operation)


def _refuse_combinations(order: _ChatOrder) -> None:
    if order.parent_id is not None and order.snapshot is not None:
        raise Rejected(
            "A sub-chat runs on its parent's snapshot; name one of the two.",
            code="bad_combination",
            field="snapshot",
        )
    if order.sources is not None and order.parent_id is None:
        raise Rejected(
            "Sources are chosen out of a parent's snapshot; name the parent.",
            code="bad_combination",
            field="sources",
        )


async def _create(
    transaction: Transaction, actor: Actor, owner_id: UserId, order: _ChatOrder
) -> ChatView:
    workspace = await permit_on_workspace(
        transaction, actor, order.workspace_id, action="create_chat", lock=Lock.SHARED
    )
    birth = await _find_birth(transaction, actor, order, workspace.current_agent_id)
    new = NewChat(
        workspace_id=order.workspace_id,
        owner_id=owner_id,
        title=order.title,
        model=order.model,
        parent_id=order.parent_id,
        policies=PolicySet(None if order.parent_id is None else Policy.FREEZE),
        options=order.options,
    )
    chat_id = await insert_chat(transaction, new, birth, {"parent_id": order.parent_id})
    await transaction.reach(Failpoint.CHAT_CREATE_TX)
    await transaction.reach(Failpoint.CHAT_CREATE_OUTBOX)
    await transaction.reach(Failpoint.CHAT_CREATE_HYDRATE)
    return await get_chat(transaction.connection, actor, chat_id)


async def _find_birth(
    transaction: Transaction,
    actor: Actor,
    order: _ChatOrder,
    current_agent_id: AgentId | None,
) -> Birth | None:
    if order.parent_id is not None:
        return await _birth_of_sub_chat(transaction, actor, order, order.parent_id)
    if order.snapshot is None:
        return await birth_on_head(transaction, actor, order.workspace_id, current_agent_id)
    found = await find_snapshot(transaction, order.workspace_id, order.snapshot)
    if found is None:
        raise NotFound
    move = Move(PinVerb.INHERIT, actor, current_agent_id, {"snapshot": found.digest})
    return Birth(move, found)


async def _birth_of_sub_chat(
    transaction: Transaction, actor: Actor, order: _ChatOrder, parent_id: ChatId
) -> Birth | None:
    parent = await permit_on_chat(
        transaction,
        actor,
        parent_id,
        Access.UPDATE,
        action="create_sub_chat",
        lock=Lock.SHARED,
    )
    if parent.workspace_id != order.workspace_id:
        raise Rejected(
            "The parent belongs to another workspace.", code="parent_elsewhere", field="parent_id"
        )
    agent_id, snapshot_id = await find_binding(transaction, parent_id)
    if snapshot_id is None:
        return None
    inputs: dict[str, Any] = {"parent_id": parent_id}
    if order.sources is None:
        return await birth_on(transaction, actor, snapshot_id, agent_id, inputs)
    await require_sources(transaction, snapshot_id, order.sources)
    subset = await derive_subset(transaction, order.workspace_id, snapshot_id, order.sources)
    inputs["sources"] = sorted(order.sources)
    return Birth(Move(PinVerb.INHERIT, actor, agent_id, inputs), subset)


__all__ = ["OFFLINE_MODEL", "create_chat"]
