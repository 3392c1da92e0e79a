"""A chat's pin as an operation sees it before it compares and moves it: one statement, no lock.

Chat, pin and head are of one instant. A move that finds the pin as it was seen is as good as one
made at that instant; one that does not looks again.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Row, Select, and_, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.context.holds import Holds
from driftpin.identity import Actor, ChatId, Digest
from driftpin.store.access import (
    KINDS_OF_ACTORS,
    access_to_chat,
    acting,
    alike,
    require_access,
    visible_chats,
)
from driftpin.store.database import Transaction
from driftpin.store.reading.columns import (
    chat_from,
    snapshot_alias,
    snapshot_columns,
    snapshot_from,
)
from driftpin.store.reading.holds import holds_column, holds_from
from driftpin.store.reading.lost_pins import refuse_missing
from driftpin.store.tables import agents, chat_pin_history, chat_pins, chats
from driftpin.store.values import Access, ChatRow, SnapshotRef
from driftpin.store.writing.permits import audit_administrator
from driftpin.store.writing.pins import LockedPin

PIN: Final = snapshot_alias("pin")
HEAD: Final = snapshot_alias("head")
CHAT_ID: Final = "seen_chat_id"


@dataclass(frozen=True, slots=True)
class SeenPin:
    """A chat, its pin, the head of the agent that it is bound to, and what it holds."""

    chat: ChatRow
    pin: LockedPin
    snapshot: SnapshotRef | None
    head: SnapshotRef | None
    holds: Holds


async def see_pin(
    transaction: Transaction, actor: Actor, chat_id: ChatId, *, action: str
) -> SeenPin:
    """Return the pin of a chat that the actor may update; NotFound or Forbidden otherwise."""
    asked = {CHAT_ID: chat_id, **acting(actor)}
    row = (await transaction.connection.execute(_statement(alike(actor)), asked)).first()
    if row is None:
        await refuse_missing(transaction.connection, actor, chat_id)
    require_access(Access(row.access), Access.UPDATE)
    await audit_administrator(transaction, actor, row.owner_id, action, f"chat:{chat_id}")
    return _seen_from(row)


@lru_cache(maxsize=KINDS_OF_ACTORS)
def _statement(actor: Actor) -> Select[Any]:
    """Return what `see_pin` asks for actors like this; building it costs as much as running it."""
    is_alive = and_(agents.c.id == chat_pins.c.agent_id, agents.c.deleted_at.is_(None))
    return (
        select(
            chats,
            access_to_chat(actor).label("access"),
            chat_pins.c.agent_id,
            chat_pins.c.revision,
            chat_pins.c.is_archived,
            chat_pins.c.error.label("pin_error"),
            *snapshot_columns(PIN),
            *snapshot_columns(HEAD),
            holds_column(),
        )
        .join(chat_pins, chat_pins.c.chat_id == chats.c.id)
        .outerjoin(agents, is_alive)
        .outerjoin(PIN, PIN.c.id == chat_pins.c.snapshot_id)
        .outerjoin(HEAD, HEAD.c.id == agents.c.head_id)
        .where(chats.c.id == bindparam(CHAT_ID, type_=chats.c.id.type), visible_chats(actor))
    )


async def find_in_history(
    connection: AsyncConnection, chat_id: ChatId, digest: Digest
) -> tuple[bool, int | None]:
    """Return whether the chat was ever pinned to this digest, and to which stored snapshot.

    A digest that is known without a snapshot has passed its retention.
    """
    statement = select(
        chat_pin_history.c.from_digest,
        chat_pin_history.c.from_id,
        chat_pin_history.c.to_id,
    ).where(
        chat_pin_history.c.chat_id == chat_id,
        or_(chat_pin_history.c.from_digest == digest, chat_pin_history.c.to_digest == digest),
    )
    rows = (await connection.execute(statement)).all()
    ids = [row.from_id if row.from_digest == digest else row.to_id for row in rows]
    return bool(rows), next((snapshot_id for snapshot_id in ids if snapshot_id is not None), None)


def _seen_from(row: Row[*tuple[Any, ...]]) -> SeenPin:
    snapshot = snapshot_from(row, PIN)
    pin = LockedPin(
        chat_id=row.id,
        workspace_id=row.workspace_id,
        agent_id=row.agent_id,
        snapshot_id=snapshot.id if snapshot else None,
        revision=row.revision,
        is_archived=row.is_archived,
        error=row.pin_error,
        parent_id=row.parent_id,
    )
    head = snapshot_from(row, HEAD)
    return SeenPin(chat_from(row), pin, snapshot, head, holds_from(row.holds))


__all__ = ["SeenPin", "find_in_history", "see_pin"]
