"""Which chats run on some bytes."""

import json

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.identity import Actor, Digest
from driftpin.store.access import visible_chats
from driftpin.store.reading.paging import bad_cursor, page_of
from driftpin.store.tables import blobs, chat_pins, chats, snapshot_entries
from driftpin.store.use_values import DigestUse
from driftpin.store.values import Page


async def list_uses(
    connection: AsyncConnection, actor: Actor, digest: Digest, after: str | None, limit: int
) -> Page[DigestUse]:
    """Return the places in pins of visible chats that name a blob of this digest."""
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
    if after is not None:
        chat_id, source, path = _read_cursor(after)
        is_source = snapshot_entries.c.source == source
        is_behind = or_(
            snapshot_entries.c.source > source, and_(is_source, snapshot_entries.c.path > path)
        )
        statement = statement.where(
            or_(chats.c.id < chat_id, and_(chats.c.id == chat_id, is_behind))
        )
    rows = await connection.execute(statement)
    found = [DigestUse(row.id, row.title, row.source, row.path) for row in rows]
    return page_of(found, limit, _cursor_of)


def _cursor_of(use: DigestUse) -> str:
    return json.dumps([use.chat_id, use.source, use.path])


def _read_cursor(text: str) -> tuple[str, str, str]:
    try:
        chat_id, source, path = json.loads(text)
    except (ValueError, TypeError) as failure:
        raise bad_cursor() from failure
    return str(chat_id), str(source), str(path)


__all__ = ["list_uses"]
