"""Do what is due for one chat's pin: bind it, hydrate it, rebind it, or fill its holes.

Runs at the start of every turn, and when a chat comes back, so that nothing waits for a push that
never comes. The policies act at the start of a turn only. Revocations will be due here too.
"""

from driftpin.identity import Actor, AgentId, ChatId
from driftpin.operations.apply_policy import apply_policies_in
from driftpin.operations.complete_pins import complete_pins
from driftpin.operations.hydrate_chats import share_binding, share_current_binding
from driftpin.operations.pin_moves import Binding, Settled, bind_and_pin
from driftpin.operations.single_moves import event_for, move_of, record_changed, record_pinned
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import Access, ChatRow, PinMove, SnapshotRef
from driftpin.store.writing.heads import is_agent_alive, share_workspace
from driftpin.store.writing.permits import permit_on_chat
from driftpin.store.writing.pins import LockedPin, PinVerb, lock_pin


async def settle_pin(store: Store, actor: Actor, chat_id: ChatId) -> PinMove:
    """Return where the chat's pin stands after what was due at the start of a turn has been done.

    A pin step that fails leaves the old pin with its reason in the chat's context; only a failure
    of the database, or of reading the pin, raises.
    """

    async def settle(transaction: Transaction) -> tuple[PinMove, AgentId | None]:
        move, elsewhere = await _settle_here(transaction, actor, chat_id)
        return await apply_policies_in(transaction, actor, move), elsewhere

    move, elsewhere = await store.database.write(settle)
    if elsewhere is None:
        return move

    async def repair(transaction: Transaction) -> PinMove:
        repaired = await _settle_elsewhere(transaction, actor, chat_id, elsewhere)
        return await apply_policies_in(transaction, actor, repaired)

    return await store.database.write(repair)


async def settle_in(transaction: Transaction, actor: Actor, chat_id: ChatId) -> PinMove:
    """Do the same inside a transaction of the caller's, but leave the policies alone.

    So is a chat whose pin step failed when a person bound it to another agent than the current.
    """
    return (await _settle_here(transaction, actor, chat_id))[0]


async def _settle_here(
    transaction: Transaction, actor: Actor, chat_id: ChatId
) -> tuple[PinMove, AgentId | None]:
    """Settle with the current agent; name the agent where the chat waits for another one.

    That one is not locked here: agents come before pins.
    """
    chat = await permit_on_chat(transaction, actor, chat_id, Access.UPDATE, action="pin.settle")
    current = await share_current_binding(transaction, chat.workspace_id)
    pin = await lock_pin(transaction, chat_id)
    if current is None:
        return await move_of(transaction, pin, None), None
    settled, elsewhere = None, None
    if await _is_due(transaction, pin, current):
        settled = await _settle(transaction, actor, chat, pin, current)
    elif pin.has_binding_error and not pin.is_archived:
        elsewhere = pin.agent_id
    move = await move_of(transaction, pin, settled)
    return await _complete(transaction, actor, chat, move, current), elsewhere


async def _settle_elsewhere(
    transaction: Transaction, actor: Actor, chat_id: ChatId, agent_id: AgentId
) -> PinMove:
    """Try the pin step again with an agent that is not the current one, if it is still due."""
    chat = await permit_on_chat(transaction, actor, chat_id, Access.UPDATE, action="pin.settle")
    await share_workspace(transaction, chat.workspace_id)
    binding = await share_binding(transaction, agent_id, chat.workspace_id)
    pin = await lock_pin(transaction, chat_id)
    is_due = pin.agent_id == agent_id and pin.has_binding_error and not pin.is_archived
    if binding is None or not is_due:
        return await move_of(transaction, pin, None)
    settled = await _settle(transaction, actor, chat, pin, binding)
    return await move_of(transaction, pin, settled)


async def _complete(
    transaction: Transaction, actor: Actor, chat: ChatRow, move: PinMove, current: Binding
) -> PinMove:
    """Fill the pin's holes where the head can: a head that came while nobody looked."""
    if move.snapshot is None or not move.snapshot.has_holes:
        return move

    async def event_of(target: SnapshotRef) -> int:
        return await record_pinned(transaction, chat, target, PinVerb.COMPLETE)

    completed = await complete_pins(
        transaction, actor, chat.workspace_id, current, event_of, only=chat.id
    )
    if not completed:
        return move
    target = completed[0].target
    return PinMove(chat.id, move.revision + 1, target, moved=True, verb=PinVerb.COMPLETE.value)


async def _is_due(transaction: Transaction, pin: LockedPin, current: Binding) -> bool:
    """Whether the chat should now be bound to the current agent and pinned by its head.

    A chat that a person bound to another living agent stays there.
    """
    if pin.is_archived:
        return False
    if pin.agent_id is None or pin.agent_id == current.agent_id:
        return pin.agent_id is None or pin.snapshot_id is None or pin.has_binding_error
    return not await is_agent_alive(transaction, pin.agent_id)


async def _settle(
    transaction: Transaction, actor: Actor, chat: ChatRow, pin: LockedPin, current: Binding
) -> Settled:
    settled = await bind_and_pin(transaction, actor, [pin], current, event_for(transaction, chat))
    if not settled.moved and (pin.agent_id != current.agent_id or settled.failure):
        await record_changed(transaction, chat, current)
    return settled


__all__ = ["settle_in", "settle_pin"]
