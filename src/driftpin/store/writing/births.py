"""New chats: the row, the pin that it begins with, and the event, or none of them.

PostgreSQL takes all of it in one statement. A chat that begins on a snapshot has its first history
row by that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import insert

from driftpin.chat.options import NO_OPTIONS, ChatOptions
from driftpin.chat.states import ChatState
from driftpin.context.policies import NOTHING_SET
from driftpin.events.event import EventKind, Payload
from driftpin.identity import ChatId, UserId, WorkspaceId
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.reading.columns import policy_values
from driftpin.store.tables import chat_pin_history, chat_pins, chats, events
from driftpin.store.values import PolicySet, SnapshotRef
from driftpin.store.writing.compared_moves import history_naming
from driftpin.store.writing.events import event_values, inserting_event, note_event
from driftpin.store.writing.outside_calls import add_chat_tools
from driftpin.store.writing.pins import LockedPin, Move, history_values
from driftpin.store.writing.together import (
    Change,
    Changes,
    carry_out,
    inserting,
    row_parameters,
    together,
)

# What is chosen of a new chat; all else begins as nothing.
CHAT_COLUMNS: Final = (
    "id",
    "workspace_id",
    "owner_id",
    "parent_id",
    "forked_from_id",
    "title",
    "model",
    "policy",
    "kind_policies",
    "may_spawn",
    "role",
    "state",
    "created_at",
    "updated_at",
)
PIN_COLUMNS: Final = (
    "chat_id",
    "workspace_id",
    "agent_id",
    "snapshot_id",
    "revision",
    "pinned_at",
    "is_archived",
    "error",
)


@dataclass(frozen=True, slots=True)
class NewChat:
    """What is chosen of a chat before it is there."""

    workspace_id: WorkspaceId
    owner_id: UserId
    title: str
    model: str
    parent_id: ChatId | None = None
    forked_from_id: ChatId | None = None
    policies: PolicySet = NOTHING_SET
    options: ChatOptions = NO_OPTIONS


@dataclass(frozen=True, slots=True)
class Birth:
    """How a chat begins: bound to the move's agent, on a snapshot or with the reason why on none.

    The snapshot must be kept until the transaction ends.
    """

    move: Move
    target: SnapshotRef | None
    error: str | None = None


async def insert_chat(
    transaction: Transaction, new: NewChat, birth: Birth | None, told: Payload
) -> ChatId:
    """Add an idle chat with its client's tools and its pin, and record the event."""
    chat_id = ChatId(transaction.ids.fresh(transaction.now))
    event = event_values(
        transaction,
        EventKind.CHAT_CREATED,
        workspace_id=new.workspace_id,
        chat_id=chat_id,
        payload=told,
    )
    parameters = {
        **row_parameters(chats, _chat_row(transaction, new, chat_id)),
        **row_parameters(chat_pins, _pin_row(transaction, new, birth, chat_id)),
        **row_parameters(events, event),
    }
    if birth is None or birth.target is None:
        row = (await carry_out(transaction, _creating(transaction.engine), parameters)).one()
        note_event(transaction, row)
    else:
        history = _history_row(transaction, new, birth, chat_id)
        await _create_pinned(transaction, parameters, history)
    await add_chat_tools(transaction, chat_id, new.options.tools)
    return chat_id


async def _create_pinned(
    transaction: Transaction, parameters: Mapping[str, Any], history: Mapping[str, Any]
) -> None:
    if transaction.is_shared:
        values = {**parameters, **row_parameters(chat_pin_history, history)}
        row = (await transaction.connection.execute(CREATE_PINNED, values)).one()
        note_event(transaction, row)
        return
    row = (await carry_out(transaction, _creating(transaction.engine), parameters)).one()
    named = {**history, "event_id": note_event(transaction, row)}
    await transaction.connection.execute(insert(chat_pin_history), named)


def _chat_row(transaction: Transaction, new: NewChat, chat_id: ChatId) -> dict[str, Any]:
    return {
        "id": chat_id,
        "workspace_id": new.workspace_id,
        "owner_id": new.owner_id,
        "parent_id": new.parent_id,
        "forked_from_id": new.forked_from_id,
        "title": new.title,
        "model": new.model,
        **policy_values(new.policies),
        "may_spawn": new.options.may_spawn,
        "role": new.options.role or None,
        "state": ChatState.IDLE.value,
        "created_at": transaction.now,
        "updated_at": transaction.now,
    }


def _pin_row(
    transaction: Transaction, new: NewChat, birth: Birth | None, chat_id: ChatId
) -> dict[str, Any]:
    target = birth.target if birth else None
    return {
        "chat_id": chat_id,
        "workspace_id": new.workspace_id,
        "agent_id": birth.move.agent_id if birth else None,
        "snapshot_id": target.id if target else None,
        "revision": 1 if target else 0,
        "pinned_at": transaction.now if target else None,
        "is_archived": False,
        "error": birth.error if birth else None,
    }


def _history_row(
    transaction: Transaction, new: NewChat, birth: Birth, chat_id: ChatId
) -> dict[str, Any]:
    unpinned = LockedPin(
        chat_id=chat_id,
        workspace_id=new.workspace_id,
        agent_id=None,
        snapshot_id=None,
        revision=0,
        is_archived=False,
        error=None,
        parent_id=new.parent_id,
    )
    return history_values(transaction, unpinned, None, birth.target, birth.move)


def _rows(engine: EngineKind) -> tuple[Change, Change, Change]:
    return (
        inserting(chats, *CHAT_COLUMNS),
        inserting(chat_pins, *PIN_COLUMNS),
        inserting_event(engine),
    )


@lru_cache(maxsize=len(EngineKind))
def _creating(engine: EngineKind) -> Changes:
    return together(*_rows(engine))


def _creating_pinned() -> Change:
    """Return what writes all four rows on PostgreSQL; its row is for `note_event`."""
    chat, pin, event = _rows(EngineKind.POSTGRESQL)
    return history_naming(event.cte("event")).add_cte(chat.cte("chat"), pin.cte("pin"))


CREATE_PINNED: Final = _creating_pinned()

__all__ = ["Birth", "NewChat", "insert_chat"]
