"""Sub-chats: everything below a chat, and with which part of a context each was born."""

import json
from collections.abc import Sequence

from sqlalchemy import select

from driftpin.identity import Actor, ChatId
from driftpin.store.access import visible_chats
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.tables import chat_pin_history, chat_pins, chats
from driftpin.store.values import Access
from driftpin.store.writing.pins import LockedPin, PinVerb, lock_pins


async def lock_sub_chats(
    transaction: Transaction, actor: Actor, chat_id: ChatId
) -> tuple[LockedPin, ...]:
    """Take the pins of every unarchived chat below this one that the actor may update."""
    below = select(chats.c.id).where(chats.c.parent_id == chat_id).cte("below", recursive=True)
    deeper = chats.alias("deeper")
    below = below.union(select(deeper.c.id).join(below, deeper.c.parent_id == below.c.id))
    is_below = chat_pins.c.chat_id.in_(select(below.c.id))
    may_update = visible_chats(actor, Access.UPDATE)
    pins = await lock_pins(transaction, is_below & may_update)
    return tuple(pin for pin in pins if not pin.is_archived)


async def list_birth_sources(
    transaction: Transaction, chat_ids: Sequence[ChatId]
) -> dict[ChatId, tuple[str, ...]]:
    """Return the named sources of those of the chats that were born with a part of a context."""
    statement = select(chat_pin_history.c.chat_id, chat_pin_history.c.inputs).where(
        dialect_of(transaction.connection).is_one_of(chat_pin_history.c.chat_id, chat_ids),
        chat_pin_history.c.verb == PinVerb.INHERIT.value,
    )
    rows = (await transaction.connection.execute(statement)).all()
    inputs = {row.chat_id: json.loads(row.inputs) for row in rows}
    return {
        chat_id: tuple(known["sources"]) for chat_id, known in inputs.items() if "sources" in known
    }


__all__ = ["list_birth_sources", "lock_sub_chats"]
