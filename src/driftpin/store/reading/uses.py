"""Which chats run on some bytes."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.identity import Actor, Digest
from driftpin.store.access import visible_chats
from driftpin.store.tables import blobs, chat_pins, chats, snapshot_entries
from driftpin.store.use_values import DigestUse


async def list_uses(
    connection: AsyncConnection, actor: Actor, digest: Digest, limit: int
) -> tuple[DigestUse, ...]:
    """Return the places in pins of visible chats that name a blob of this digest."""
    statement = (
        select(chats.c.id, chats.c.title, snapshot_entries.c.source, snapshot_entries.c.path)
        .select_from(blobs)
        .join(snapshot_entries, snapshot_entries.c.blob_id == blobs.c.id)
        .join(chat_pins, chat_pins.c.snapshot_id == snapshot_entries.c.snapshot_id)
        .join(chats, chats.c.id == chat_pins.c.chat_id)
        .where(blobs.c.digest == digest, visible_chats(actor))
        .order_by(chats.c.id.desc(), snapshot_entries.c.source, snapshot_entries.c.path)
        .limit(limit)
    )
    rows = await connection.execute(statement)
    return tuple(DigestUse(row.id, row.title, row.source, row.path) for row in rows)


__all__ = ["list_uses"]
