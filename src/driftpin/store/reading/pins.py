"""Pins with what they name, read in one statement each: two could tear."""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Row, Select, and_, bindparam, case, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import NamedFromClause

from driftpin.context.resource import Kind, Status
from driftpin.context.tokens import estimate_tokens
from driftpin.errors import NotFound
from driftpin.identity import Actor, ChatId
from driftpin.store.access import KINDS_OF_ACTORS, acting, alike, visible_chats
from driftpin.store.reading.columns import (
    chat_from,
    snapshot_alias,
    snapshot_columns,
    snapshot_from,
)
from driftpin.store.reading.drift_summaries import (
    KnownDrift,
    Pair,
    find_sound_drifts,
    look_until_kept,
)
from driftpin.store.reading.lost_pins import refuse_missing
from driftpin.store.reading.manifests import sound_manifest
from driftpin.store.reading.paging import page_of, read_number_cursor
from driftpin.store.tables import blobs, chat_pin_history, chat_pins, chats, snapshot_entries
from driftpin.store.values import HistoryRow, Page, PinMove, PinnedEntry, PinnedLines, PinnedRead

ENTRY_COLUMNS: Final = (
    snapshot_entries.c.source,
    snapshot_entries.c.path,
    snapshot_entries.c.kind,
    snapshot_entries.c.status,
    snapshot_entries.c.reason,
    blobs.c.digest,
    blobs.c.size_bytes,
    blobs.c.tokens,
    # Bytes come along only where nobody counted them yet.
    case(
        (and_(blobs.c.tokens.is_(None), snapshot_entries.c.kind != Kind.SKILL), blobs.c.content)
    ).label("uncounted"),
)
# Looked up for every line of a list; calling an enumeration costs three times as much.
KINDS: Final = {kind.value: kind for kind in Kind}
STATUSES: Final = {status.value: status for status in Status}


async def read_pin(connection: AsyncConnection, actor: Actor, chat_id: ChatId) -> PinnedRead:
    """Return the chat's pin and the manifest that it names, of one instant."""
    pin = snapshot_alias("pin")
    statement = (
        select(
            chats,
            chat_pins.c.revision,
            chat_pins.c.agent_id,
            *snapshot_columns(pin),
            blobs.c.content.label("manifest"),
        )
        .join(chat_pins, chat_pins.c.chat_id == chats.c.id)
        .outerjoin(pin, pin.c.id == chat_pins.c.snapshot_id)
        .outerjoin(blobs, blobs.c.id == pin.c.manifest_blob_id)
        .where(chats.c.id == chat_id, visible_chats(actor))
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        await refuse_missing(connection, actor, chat_id)
    return pinned_from(row, pin)


def pinned_from(row: Row[Any], pin: NamedFromClause[Any]) -> PinnedRead:
    """Return what a row says of a chat, a pin (the columns of this alias) and its manifest."""
    snapshot = snapshot_from(row, pin)
    return PinnedRead(
        chat=chat_from(row),
        revision=row.revision,
        snapshot=snapshot,
        manifest=None if snapshot is None else sound_manifest(row.manifest, snapshot.digest),
        agent_id=row.agent_id,
    )


async def list_pinned_entries(
    connection: AsyncConnection, actor: Actor, chat_id: ChatId
) -> PinnedLines:
    """Return every line of the chat's pin by source and path, of one instant."""
    asked = {"its_chat_id": chat_id, **acting(actor)}
    rows = (await connection.execute(_entries_seen_by(alike(actor)), asked)).all()
    if not rows:
        await refuse_missing(connection, actor, chat_id)
    is_pinned = rows[0].source is not None
    return PinnedLines(rows[0].revision, entries_from(rows) if is_pinned else ())


@lru_cache(maxsize=KINDS_OF_ACTORS)
def _entries_seen_by(actor: Actor) -> Select[Any]:
    return (
        select(*ENTRY_COLUMNS, chat_pins.c.revision)
        .select_from(
            chats.join(chat_pins, chat_pins.c.chat_id == chats.c.id)
            .outerjoin(snapshot_entries, snapshot_entries.c.snapshot_id == chat_pins.c.snapshot_id)
            .outerjoin(blobs, blobs.c.id == snapshot_entries.c.blob_id)
        )
        .where(chats.c.id == bindparam("its_chat_id", type_=chats.c.id.type), visible_chats(actor))
        .order_by(snapshot_entries.c.source, snapshot_entries.c.path)
    )


def entries_from(rows: Iterable[Row[*tuple[Any, ...]]]) -> tuple[PinnedEntry, ...]:
    """Return the lines of rows that selected `ENTRY_COLUMNS` first."""
    return tuple(
        PinnedEntry(
            source,
            path,
            KINDS[kind],
            STATUSES[status],
            reason,
            digest,
            size_bytes,
            tokens if uncounted is None else estimate_tokens(uncounted),
        )
        for source, path, kind, status, reason, digest, size_bytes, tokens, uncounted, *_ in rows
    )


async def list_history(
    connection: AsyncConnection, actor: Actor, chat_id: ChatId, after: str | None, limit: int
) -> Page[HistoryRow]:
    """Return the moves of the chat's pin, newest first, each with how much it changed."""
    is_seen = select(chats.c.id).where(chats.c.id == chat_id, visible_chats(actor))
    if (await connection.execute(is_seen)).first() is None:
        raise NotFound
    statement = (
        select(chat_pin_history)
        .where(chat_pin_history.c.chat_id == chat_id)
        .order_by(chat_pin_history.c.revision.desc())
        .limit(limit + 1)
    )
    if after is not None:
        statement = statement.where(chat_pin_history.c.revision < read_number_cursor(after))

    async def look() -> list[HistoryRow]:
        rows = (await connection.execute(statement)).all()
        pairs = [(row.from_id, row.to_id) for row in rows if _has_both(row)]
        found = await find_sound_drifts(connection, pairs)
        return [_history_from(row, found) for row in rows]

    return page_of(await look_until_kept(look), limit, lambda move: str(move.revision))


async def list_pin_moves(
    connection: AsyncConnection, actor: Actor, event_id: int, after: ChatId | None, limit: int
) -> tuple[PinMove, ...]:
    """Return the moves of visible chats' pins that name this event, by chat."""
    target = snapshot_alias("target")
    statement = (
        select(
            chat_pin_history.c.chat_id,
            chat_pin_history.c.revision,
            chat_pin_history.c.verb,
            *snapshot_columns(target),
        )
        .join(chats, chats.c.id == chat_pin_history.c.chat_id)
        .outerjoin(target, target.c.id == chat_pin_history.c.to_id)
        .where(chat_pin_history.c.event_id == event_id, visible_chats(actor))
        .order_by(chat_pin_history.c.chat_id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(chat_pin_history.c.chat_id > after)
    return tuple(
        PinMove(
            chat_id=row.chat_id,
            revision=row.revision,
            snapshot=snapshot_from(row, target),
            moved=True,
            verb=row.verb,
        )
        for row in await connection.execute(statement)
    )


def _has_both(row: Row[Any]) -> bool:
    return row.from_id is not None and row.to_id is not None


def _history_from(row: Row[Any], found: dict[Pair, KnownDrift]) -> HistoryRow:
    known = found.get((row.from_id, row.to_id))
    return HistoryRow(
        chat_id=row.chat_id,
        revision=row.revision,
        verb=row.verb,
        inputs=json.loads(row.inputs),
        from_digest=row.from_digest,
        to_digest=row.to_digest,
        actor=row.actor,
        event_id=row.event_id,
        at=row.at,
        severity=known.drift.severity if known else None,
    )


__all__ = [
    "ENTRY_COLUMNS",
    "entries_from",
    "list_history",
    "list_pin_moves",
    "list_pinned_entries",
    "pinned_from",
    "read_pin",
]
