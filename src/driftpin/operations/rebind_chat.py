"""Bind a chat to another agent; binding and pin move in one transaction."""

from driftpin.errors import Conflict, NotFound
from driftpin.failpoints import Failpoint
from driftpin.identity import Actor, AgentId, ChatId
from driftpin.operations.dry_run import foresee
from driftpin.operations.hydrate_chats import share_binding
from driftpin.operations.pin_moves import Binding, bind_and_pin
from driftpin.operations.single_moves import (
    event_for,
    move_of,
    record_changed,
    refuse_archived,
)
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import Access, ChatRow, PinMove
from driftpin.store.writing.heads import (
    find_head_id,
    share_workspace,
)
from driftpin.store.writing.permits import permit_on_chat
from driftpin.store.writing.pins import LockedPin, lock_pin


async def rebind_chat(
    store: Store, actor: Actor, chat_id: ChatId, agent_id: AgentId | None, *, dry_run: bool = False
) -> PinMove:
    """Bind the chat to this agent, or with None to its workspace's current one.

    With `dry_run` nothing is bound or moved.

    The agent has a head: it is pinned, unless the drift is risky: then the old pin stays, dirty. It
    has none: the chat is unpinned until its first push. A sub-chat, and a chat that is bound for
    the first time, keep the pin they have. Raises NotFound for an agent of another workspace or a
    deleted one, Conflict (`no_agent`, `chat_archived`).
    """
    require_user(actor)

    async def rebind(transaction: Transaction) -> PinMove:
        if not dry_run:
            return await rebind_in(transaction, actor, chat_id, agent_id)
        await permit_on_chat(transaction, actor, chat_id, Access.UPDATE, action="pin.rebind")
        return await foresee(
            transaction, lambda inside: rebind_in(inside, actor, chat_id, agent_id)
        )

    move = await store.database.write(rebind)
    await store.database.reach(Failpoint.MOVE_POST_COMMIT)
    return move


async def rebind_in(
    transaction: Transaction, actor: Actor, chat_id: ChatId, agent_id: AgentId | None
) -> PinMove:
    """Do the same inside a transaction of the caller's."""
    chat = await permit_on_chat(transaction, actor, chat_id, Access.UPDATE, action="pin.rebind")
    binding = await _share_target(transaction, chat, agent_id)
    pin = await lock_pin(transaction, chat_id)
    refuse_archived(pin)
    await transaction.reach(Failpoint.MOVE_READ_HEAD)
    is_bound = pin.agent_id == binding.agent_id and not pin.has_binding_error
    if is_bound and pin.snapshot_id is not None:
        return await move_of(transaction, pin, None)
    settled = await bind_and_pin(transaction, actor, [pin], binding, event_for(transaction, chat))
    await transaction.reach(Failpoint.MOVE_MOVE_PIN)
    if not settled.moved and (settled.failure or await _shows_otherwise(transaction, pin, binding)):
        await record_changed(transaction, chat, binding)
    return await move_of(transaction, pin, settled)


async def _share_target(
    transaction: Transaction, chat: ChatRow, agent_id: AgentId | None
) -> Binding:
    workspace = await share_workspace(transaction, chat.workspace_id)
    assert workspace is not None, "a chat keeps its workspace"
    target = agent_id or workspace.current_agent_id
    if target is None:
        raise Conflict("No agent of this workspace has pushed yet.", code="no_agent")
    binding = await share_binding(transaction, target, workspace.id)
    if binding is None:
        raise NotFound
    return binding


async def _shows_otherwise(transaction: Transaction, pin: LockedPin, binding: Binding) -> bool:
    """Whether the chat is anything but what it was: the same pin, as far from the same head.

    A dirty chat whose new agent has what it is pinned to becomes clean by it.
    """
    head_id = binding.head.id if binding.head else None
    was_id = None if pin.agent_id is None else await find_head_id(transaction, pin.agent_id)
    return not pin.snapshot_id == head_id == was_id


__all__ = ["rebind_chat", "rebind_in"]
