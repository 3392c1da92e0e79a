"""What was said in a chat: messages, turns, what streams, and receipts."""

import json
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.errors import NotFound
from driftpin.identity import Actor, ChatId
from driftpin.store.access import KINDS_OF_ACTORS, acting, alike, visible_chats
from driftpin.store.reading.columns import message_from, turn_from
from driftpin.store.reading.paging import page_of, read_number_cursor
from driftpin.store.receipt_values import ReceiptRow
from driftpin.store.tables import (
    chats,
    messages,
    receipts,
    snapshots,
    turn_chunks,
    turns,
)
from driftpin.store.turn_values import ChunkRow
from driftpin.store.values import MessageRow, Page, TurnRow


async def list_messages(
    connection: AsyncConnection,
    actor: Actor,
    chat_id: ChatId,
    after: str | None,
    limit: int,
    *,
    turn: int | None = None,
    first_turn: int = 0,
    with_replaced: bool = False,
) -> Page[MessageRow]:
    """Return one page of the chat's messages by position, of one turn or from `first_turn` on."""
    await _require_visible(connection, actor, chat_id)
    statement = (
        select(messages)
        .where(messages.c.chat_id == chat_id, messages.c.turn >= first_turn)
        .order_by(messages.c.position)
        .limit(limit + 1)
    )
    if after is not None:
        statement = statement.where(messages.c.position > read_number_cursor(after))
    if turn is not None:
        statement = statement.where(messages.c.turn == turn)
    elif not with_replaced:
        statement = statement.where(~_has_left())
    found = [message_from(row) for row in await connection.execute(statement)]
    return page_of(found, limit, lambda message: str(message.position))


async def list_turns(
    connection: AsyncConnection, actor: Actor, chat_id: ChatId, first: int
) -> tuple[TurnRow, ...]:
    """Return the chat's turns from number `first` on."""
    asked = {"its_chat_id": chat_id, "first": first, **acting(actor)}
    rows = (await connection.execute(_turns_seen_by(alike(actor)), asked)).all()
    if not rows:
        raise NotFound
    return tuple(turn_from(row) for row in rows if row.number is not None)


async def list_receipts(
    connection: AsyncConnection, actor: Actor, chat_id: ChatId, turn: int | None
) -> tuple[ReceiptRow, ...]:
    """Return the chat's receipts by number."""
    await _require_visible(connection, actor, chat_id)
    statement = select(receipts).where(receipts.c.chat_id == chat_id).order_by(receipts.c.number)
    if turn is not None:
        statement = statement.where(receipts.c.turn == turn)
    return tuple(_receipt_from(row) for row in await connection.execute(statement))


async def get_stream_chunks(
    connection: AsyncConnection,
    actor: Actor,
    chat_id: ChatId,
    turn: int,
    after: tuple[int, int],
) -> tuple[ChunkRow, ...]:
    """Return the chunks of a turn behind (attempt, offset)."""
    attempt, offset = after
    asked = {"its_chat_id": chat_id, "turn": turn, "attempt": attempt, "offset": offset}
    statement = _chunks_seen_by(alike(actor))
    rows = (await connection.execute(statement, {**asked, **acting(actor)})).all()
    if not rows:
        raise NotFound
    return tuple(_chunk_from(row) for row in rows if row.turn is not None)


def _has_left() -> ColumnElement[bool]:
    """Whether the turn of a message was replaced by a later one."""
    return (
        select(turns.c.number)
        .where(
            turns.c.chat_id == messages.c.chat_id,
            turns.c.number == messages.c.turn,
            turns.c.replaced_by.is_not(None),
        )
        .exists()
    )


async def _require_visible(connection: AsyncConnection, actor: Actor, chat_id: ChatId) -> None:
    asked = {"its_chat_id": chat_id, **acting(actor)}
    if (await connection.execute(_seen_by(alike(actor)), asked)).first() is None:
        raise NotFound


@lru_cache(maxsize=KINDS_OF_ACTORS)
def _seen_by(actor: Actor) -> Select[Any]:
    return select(chats.c.id).where(_is_seen_by(actor))


@lru_cache(maxsize=KINDS_OF_ACTORS)
def _turns_seen_by(actor: Actor) -> Select[Any]:
    """Choose a chat's turns from one on; a chat without such gives one row of nothing."""
    first = bindparam("first", type_=turns.c.number.type)
    return (
        select(turns, snapshots.c.digest.label("snapshot_digest"))
        .select_from(
            chats.outerjoin(
                turns, and_(turns.c.chat_id == chats.c.id, turns.c.number >= first)
            ).outerjoin(snapshots, snapshots.c.id == turns.c.snapshot_id)
        )
        .where(_is_seen_by(actor))
        .order_by(turns.c.number)
    )


@lru_cache(maxsize=KINDS_OF_ACTORS)
def _chunks_seen_by(actor: Actor) -> Select[Any]:
    """Choose a turn's chunks behind a place; a chat without such gives one row of nothing."""
    place = tuple_(turn_chunks.c.attempt, turn_chunks.c.chunk_offset)
    after = tuple_(
        bindparam("attempt", type_=turn_chunks.c.attempt.type),
        bindparam("offset", type_=turn_chunks.c.chunk_offset.type),
    )
    turn = bindparam("turn", type_=turn_chunks.c.turn.type)
    is_behind = and_(turn_chunks.c.chat_id == chats.c.id, turn_chunks.c.turn == turn, place > after)
    return (
        select(turn_chunks)
        .select_from(chats.outerjoin(turn_chunks, is_behind))
        .where(_is_seen_by(actor))
        .order_by(turn_chunks.c.attempt, turn_chunks.c.chunk_offset)
    )


def _is_seen_by(actor: Actor) -> ColumnElement[bool]:
    return and_(chats.c.id == bindparam("its_chat_id", type_=chats.c.id.type), visible_chats(actor))


def _receipt_from(row: Row[Any]) -> ReceiptRow:
    return ReceiptRow(
        chat_id=row.chat_id,
        number=row.number,
        turn=row.turn,
        digest=row.digest,
        previous_digest=row.previous_digest,
        snapshot_digest=row.snapshot_digest,
        content=json.loads(row.content),
        at=row.at,
    )


def _chunk_from(row: Row[Any]) -> ChunkRow:
    return ChunkRow(
        turn=row.turn,
        attempt=row.attempt,
        offset=row.chunk_offset,
        content=json.loads(row.content),
    )


__all__ = ["get_stream_chunks", "list_messages", "list_receipts", "list_turns"]
