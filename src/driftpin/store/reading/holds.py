"""What chats hold: beside their pins in one statement, or by itself for whoever looks at one."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Label, Select, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.context.holds import NO_HOLDS, Holds
from driftpin.errors import NotFound
from driftpin.identity import Actor, ChatId, Digest
from driftpin.store.access import visible_chats
from driftpin.store.dialects import dialect_for
from driftpin.store.engines import EngineKind
from driftpin.store.hold_values import HoldRow
from driftpin.store.tables import chat_holds, chat_pins, chats

# No source has a control character (`wire.manifest_rules`).
BETWEEN: Final = "\n"
BEHIND_SOURCE: Final = "\t"


def holds_column() -> Label[str | None]:
    """Return all holds of the chat of `chat_pins` as one text; `holds_from` reads it."""
    one = chat_holds.c.source + BEHIND_SOURCE + func.coalesce(chat_holds.c.digest, "")
    return (
        select(func.aggregate_strings(one, BETWEEN))
        .where(chat_holds.c.chat_id == chat_pins.c.chat_id)
        .correlate(chat_pins)
        .scalar_subquery()
        .label("holds")
    )


def is_holding() -> ColumnElement[bool]:
    """Whether the chat of `chat_pins` holds anything."""
    return exists().where(chat_holds.c.chat_id == chat_pins.c.chat_id)


def holds_from(text: str | None) -> Holds:
    """Return the holds that `holds_column` gave."""
    if not text:
        return NO_HOLDS
    pairs = (line.partition(BEHIND_SOURCE) for line in text.split(BETWEEN))
    return {source: Digest(digest) if digest else None for source, _, digest in pairs}


async def read_holds(
    connection: AsyncConnection, chat_ids: Collection[ChatId]
) -> dict[ChatId, Holds]:
    """Return the holds of those of the chats that have some."""
    if not chat_ids:
        return {}
    engine = EngineKind(connection.dialect.name)
    asked = {"its_chat_ids": dialect_for(engine).list_parameter(sorted(chat_ids))}
    found: dict[ChatId, dict[str, Digest | None]] = {}
    for chat_id, source, digest in await connection.execute(_holds_of_chats(engine), asked):
        found.setdefault(chat_id, {})[source] = None if digest is None else Digest(digest)
    return dict(found)


@lru_cache(maxsize=len(EngineKind))
def _holds_of_chats(engine: EngineKind) -> Select[Any]:
    return select(chat_holds.c.chat_id, chat_holds.c.source, chat_holds.c.digest).where(
        dialect_for(engine).is_listed(chat_holds.c.chat_id, "its_chat_ids")
    )


async def list_holds(
    connection: AsyncConnection, actor: Actor, chat_id: ChatId
) -> tuple[HoldRow, ...]:
    """Return the holds of a chat by source, with who held when."""
    statement = (
        select(chat_holds)
        .select_from(chats.outerjoin(chat_holds, chat_holds.c.chat_id == chats.c.id))
        .where(chats.c.id == chat_id, visible_chats(actor))
        .order_by(chat_holds.c.source)
    )
    rows = (await connection.execute(statement)).all()
    if not rows:
        raise NotFound
    return tuple(
        HoldRow(
            source=row.source,
            digest=None if row.digest is None else Digest(row.digest),
            held_by=row.held_by,
            held_at=row.held_at,
        )
        for row in rows
        if row.source is not None
    )


__all__ = ["holds_column", "holds_from", "is_holding", "list_holds", "read_holds"]
