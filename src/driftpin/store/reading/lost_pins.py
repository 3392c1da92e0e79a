"""What is said where a chat's row and the row of its pin, which belong together, were not found."""

from typing import NoReturn

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.errors import NotFound
from driftpin.identity import Actor, ChatId
from driftpin.store.access import visible_chats
from driftpin.store.failures import damage_of
from driftpin.store.tables import chat_pins, chats


async def refuse_missing(
    connection: AsyncConnection, actor: Actor | None, chat_id: ChatId
) -> NoReturn:
    """Raise NotFound, or StorageDamaged for a chat that is there and lacks the row of its pin.

    Only a chat that the actor may see is there; with None whoever asks has been let in before.
    """
    pin = exists().where(chat_pins.c.chat_id == chats.c.id)
    statement = select(chats.c.id).where(chats.c.id == chat_id, ~pin)
    if actor is not None:
        statement = statement.where(visible_chats(actor))
    if (await connection.execute(statement)).first() is None:
        raise NotFound
    raise damage_of(detail=f"a chat without the row of its pin: {chat_id}")


__all__ = ["refuse_missing"]
