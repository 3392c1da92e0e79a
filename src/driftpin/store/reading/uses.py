"""Which chats run on some bytes."""

import json

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.identity import Actor, Digest
from driftpin.store.access import visible_chats
from driftpin.store.reading.paging import bad_cursor, read_id_cursor
from driftpin.store.tables import blobs, chat_pins, chats, snapshot_entries
from driftpin.store.use_values import DigestUse
from driftpin.store.values import Page


async def list_uses(
    connection: AsyncConnection, actor: Actor, digest: Digest, after: str | None, limit: int
) -> Page[DigestUse]:
    """Return the places in pins of visible chats that name a blob of this digest."""
    chat_id, skipped = (None, 0) if after is None else _read_cursor(after)
    statement = (
        select(chats.c.id, chats.c.title, snapshot_entries.c.source, snapshot_entries.c.path)
        .select_from(blobs)
        .join(snapshot_entries, snapshot_entries.c.blob_id == blobs.c.id)
        .join(chat_pins, chat_pins.c.snapshot_id == snapshot_entries.c.snapshot_id)
        .join(chats, chats.c.id == chat_pins.c.chat_id)
        .where(blobs.c.digest == digest, visible_chats(actor))
        .order_by(chats.c.id.desc(), snapshot_entries.c.source, snapshot_entries.c.path)
        .limit(limit + 1)
    )
    if chat_id is not None:
        statement = statement.where(chats.c.id <= chat_id).offset(skipped)
    rows = await connection.execute(statement)
    found = [DigestUse(row.id, row.title, row.source, row.path) for row in rows]
    shown = tuple(found[:limit])
    if len(found) <= limit:
        return Page(shown, None)
    last = shown[-1].chat_id
    seen = sum(use.chat_id == last for use in shown) + (skipped if last == chat_id else 0)
    return Page(shown, json.dumps([last, seen]))


def _read_cursor(text: str) -> tuple[str, int]:
    """Return the last chat that was shown and how many of its places were: sources are long."""
    try:
        chat_id, seen = json.loads(text)
        return read_id_cursor(str(chat_id)), int(seen)
    except (ValueError, TypeError) as failure:
        raise bad_cursor() from failure


__all__ = ["list_uses"]
