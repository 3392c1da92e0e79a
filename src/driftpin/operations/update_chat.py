"""Change a chat's title, whether it is archived, or its policy."""

from typing import Any

from driftpin.events.event import EventKind
from driftpin.identity import Actor, ChatId
from driftpin.operations.names import accept_title
from driftpin.operations.settle_pin import settle_in
from driftpin.operations.single_moves import refuse_sub_chat
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.reading.chats import get_chat
from driftpin.store.store import Store
from driftpin.store.values import Access, ChatRow, ChatView, Policy
from driftpin.store.writing.chats import set_archived, update_chat_row
from driftpin.store.writing.events import record_event
from driftpin.store.writing.heads import share_workspace
from driftpin.store.writing.permits import Lock, check_on_chat, permit_on_chat
from driftpin.store.writing.pins import lock_pins, of_chat


async def update_chat(
    store: Store,
    actor: Actor,
    chat_id: ChatId,
    *,
    title: str | None = None,
    is_archived: bool | None = None,
    policy: Policy | None = None,
) -> ChatView:
    """Set what is not None; what is so already changes nothing and is not announced.

    An archived chat keeps its pin and receives nothing. When it comes back its drift is right, and
    what was due for its pin meanwhile is done. Raises Conflict (`sub_chat`) for the policy of a
    sub-chat, which stays with its parent.
    """
    require_user(actor)
    accepted = None if title is None else accept_title(title, "title")

    async def operation(transaction: Transaction) -> ChatView:
        if is_archived is not None:
            await _hold_pin(transaction, actor, chat_id)
        chat = await permit_on_chat(
            transaction, actor, chat_id, Access.UPDATE, action="update_chat", lock=Lock.EXCLUSIVE
        )
        changes = _changes(chat, accepted, policy)
        is_turned = is_archived is not None and is_archived != (chat.archived_at is not None)
        if is_turned:
            changes["archived_at"] = transaction.now if is_archived else None
        if changes:
            await update_chat_row(transaction, chat_id, **changes, updated_at=transaction.now)
            await _announce(transaction, chat, changes)
        if is_turned:
            await _turn_pin(transaction, actor, chat, is_archived=bool(is_archived))
        return await get_chat(transaction.connection, actor, chat_id)

    return await store.database.write(operation)


async def _hold_pin(transaction: Transaction, actor: Actor, chat_id: ChatId) -> None:
    """Take the workspace, the pin, and only then the chat: as whoever moves or deletes it."""
    chat = await check_on_chat(transaction, actor, chat_id, Access.UPDATE)
    await share_workspace(transaction, chat.workspace_id)
    await lock_pins(transaction, of_chat(chat_id))


async def _turn_pin(
    transaction: Transaction, actor: Actor, chat: ChatRow, *, is_archived: bool
) -> None:
    await set_archived(transaction, chat.id, is_archived=is_archived)
    if not is_archived:
        await settle_in(transaction, actor, chat.id)


def _changes(chat: ChatRow, title: str | None, policy: Policy | None) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if title is not None and title != chat.title:
        changes["title"] = title
    if policy is not None and policy is not chat.policies.policy:
        refuse_sub_chat(chat)
        changes["policy"] = policy.value
    return changes


async def _announce(transaction: Transaction, chat: ChatRow, changes: dict[str, Any]) -> None:
    await record_event(
        transaction,
        EventKind.CHAT_CHANGED,
        workspace_id=chat.workspace_id,
        chat_id=chat.id,
        payload={"changed": ",".join(sorted(changes))},
    )


__all__ = ["update_chat"]
