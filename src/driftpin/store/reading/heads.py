"""What an agent's newest heads listed, for those who may see what they are compared with."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.errors import NotFound
from driftpin.identity import Actor, ChatId
from driftpin.store.access import visible_chats
from driftpin.store.reading.manifests import sound_manifest
from driftpin.store.tables import agent_heads, blobs, chat_pins, chats, snapshots


async def list_head_manifests(
    connection: AsyncConnection, actor: Actor, chat_id: ChatId, *, limit: int
) -> tuple[bytes, ...]:
    """Return the manifests of the newest `limit` heads of the chat's agent, oldest first.

    Heads whose retention is over are left out.
    """
    bound = select(chat_pins.c.agent_id).join(chats, chats.c.id == chat_pins.c.chat_id)
    found = await connection.execute(
        bound.where(chat_pins.c.chat_id == chat_id, visible_chats(actor))
    )
    row = found.first()
    if row is None:
        raise NotFound
    statement = (
        select(snapshots.c.digest, blobs.c.content)
        .select_from(agent_heads)
        .join(snapshots, snapshots.c.id == agent_heads.c.snapshot_id)
        .join(blobs, blobs.c.id == snapshots.c.manifest_blob_id)
        .where(agent_heads.c.agent_id == row.agent_id)
        .order_by(agent_heads.c.incarnation.desc(), agent_heads.c.seq.desc())
        .limit(limit)
    )
    rows = (await connection.execute(statement)).all()
    return tuple(sound_manifest(each.content, each.digest) for each in reversed(rows))


__all__ = ["list_head_manifests"]
