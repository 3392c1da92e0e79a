"""Chats, their shares, and lists of them with filters that SQL decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, false, not_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.errors import Malformed, NotFound
from driftpin.identity import Actor, ChatId, WorkspaceId
from driftpin.store.access import (
    KINDS_OF_ACTORS,
    access_to_chat,
    acting,
    alike,
    require_access,
    visible_chats,
)
from driftpin.store.contained_text import contains_text
from driftpin.store.dialects import dialect_of
from driftpin.store.failures import damage_of
from driftpin.store.reading.columns import chat_from
from driftpin.store.reading.drift import (
    clean_by_holds,
    context_columns,
    drifted_chat_ids,
    pins_with_heads,
    summaries_from,
    summarise_contexts,
)
from driftpin.store.reading.drift_summaries import look_until_kept
from driftpin.store.reading.lost_pins import refuse_missing
from driftpin.store.reading.paging import page_of, read_cursor, write_cursor
from driftpin.store.tables import chat_shares, chats, users
from driftpin.store.values import Access, ChatRow, ChatView, Page, ShareRow

NEWEST_FIRST: Final = "-created"
SORT_COLUMNS: Final = {"created": chats.c.created_at, "updated": chats.c.updated_at}


@dataclass(frozen=True, slots=True)
class ChatFilter:
    """Which chats are asked for; a field that is None leaves all of them."""

    workspace_id: WorkspaceId | None
    is_dirty: bool | None
    is_archived: bool | None
    text: str | None


@dataclass(frozen=True, slots=True)
class _SeenChat:
    chat: ChatRow
    access: Access


async def get_chat(connection: AsyncConnection, actor: Actor, chat_id: ChatId) -> ChatView:
    """Return the chat, if the actor may read it."""
    asked = {"its_chat_id": chat_id, **acting(actor)}

    async def look() -> ChatView:
        row = (await connection.execute(_view_for(alike(actor)), asked)).first()
        if row is None:
            await refuse_missing(connection, actor, chat_id)
        summaries, _ = await summaries_from(connection, [row])
        return ChatView(chat_from(row), Access(row.access), summaries[chat_id])

    return await look_until_kept(look)


@lru_cache(maxsize=KINDS_OF_ACTORS)
def _view_for(actor: Actor) -> Select[Any]:
    return (
        select(chats, access_to_chat(actor).label("access"), *context_columns())
        .select_from(pins_with_heads())
        .where(chats.c.id == bindparam("its_chat_id", type_=chats.c.id.type), visible_chats(actor))
    )


async def list_chats(
    connection: AsyncConnection,
    actor: Actor,
    asked: ChatFilter,
    *,
    sort: str,
    after: str | None,
    limit: int,
) -> Page[ChatView]:
    """Return one page of the chats that pass the filter, in the order of `sort`."""
    column, is_descending = _sort_of(sort)
    conditions = _conditions(asked)
    if asked.is_dirty is not None:
        conditions.append(await _dirtiness(connection, actor, conditions, is_dirty=asked.is_dirty))
    statement = _chats_seen_by(actor).where(*conditions).limit(limit + 1)
    key = tuple_(column, chats.c.id)
    if after is not None:
        shown = tuple_(*read_cursor(after), types=[column.type, chats.c.id.type])
        statement = statement.where(key < shown if is_descending else key > shown)
    directions = [part.desc() if is_descending else part for part in (column, chats.c.id)]
    rows = (await connection.execute(statement.order_by(*directions))).all()
    found = page_of([_seen_from(row) for row in rows], limit, _cursor_by(column.name))
    return Page(await _views_of(connection, found.items), found.next)


async def _views_of(
    connection: AsyncConnection, found: Sequence[_SeenChat]
) -> tuple[ChatView, ...]:
    """Return the chats with a line about their contexts, without those deleted meanwhile.

    Raises StorageDamaged for a chat that is there and lacks the row of its pin.
    """
    summaries = await summarise_contexts(connection, [seen.chat.id for seen in found])
    lost = [seen.chat.id for seen in found if seen.chat.id not in summaries]
    if lost:
        statement = select(chats.c.id).where(chats.c.id.in_(lost))
        unpinned = (await connection.execute(statement)).scalars().all()
        if unpinned:
            raise damage_of(detail=f"chats without the row of their pin: {unpinned}")
    return tuple(
        ChatView(seen.chat, seen.access, summaries[seen.chat.id])
        for seen in found
        if seen.chat.id in summaries
    )


async def list_shares(
    connection: AsyncConnection, actor: Actor, chat_id: ChatId
) -> tuple[ShareRow, ...]:
    """Return the chat's shares by the names of their users; for whoever may share it."""
    seen = await _see_chat(connection, actor, chat_id)
    require_access(seen.access, Access.OWNER)
    statement = (
        select(chat_shares, users.c.name.label("user_name"))
        .join(users, users.c.id == chat_shares.c.user_id)
        .where(chat_shares.c.chat_id == chat_id)
        .order_by(chat_shares.c.created_at, chat_shares.c.user_id)
    )
    return tuple(share_from(row) for row in await connection.execute(statement))


def share_from(row: Row[Any]) -> ShareRow:
    """Return the share of a row of `chat_shares` with its user's name as `user_name`."""
    return ShareRow(
        chat_id=row.chat_id,
        user_id=row.user_id,
        user_name=row.user_name,
        access=Access(row.access),
    )


async def _see_chat(connection: AsyncConnection, actor: Actor, chat_id: ChatId) -> _SeenChat:
    statement = _chats_seen_by(actor).where(chats.c.id == chat_id)
    row = (await connection.execute(statement)).first()
    if row is None:
        raise NotFound
    return _seen_from(row)


def _chats_seen_by(actor: Actor) -> Select[Any]:
    return select(chats, access_to_chat(actor).label("access")).where(visible_chats(actor))


def _seen_from(row: Row[Any]) -> _SeenChat:
    return _SeenChat(chat_from(row), Access(row.access))


def _conditions(asked: ChatFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if asked.workspace_id is not None:
        conditions.append(chats.c.workspace_id == asked.workspace_id)
    if asked.is_archived is not None:
        is_archived = chats.c.archived_at.is_not(None)
        conditions.append(is_archived if asked.is_archived else not_(is_archived))
    if asked.text is not None:
        # No title holds NUL, and PostgreSQL refuses text that does.
        is_possible = "\0" not in asked.text
        conditions.append(contains_text(chats.c.title, asked.text) if is_possible else false())
    return conditions


async def _dirtiness(
    connection: AsyncConnection,
    actor: Actor,
    others: Sequence[ColumnElement[bool]],
    *,
    is_dirty: bool,
) -> ColumnElement[bool]:
    """Return what chooses dirty chats, or clean ones, among those that meet the others."""
    clean = await clean_by_holds(connection, and_(visible_chats(actor), *others))
    differs: ColumnElement[bool] = chats.c.id.in_(drifted_chat_ids())
    if clean:
        differs = and_(differs, not_(dialect_of(connection).is_one_of(chats.c.id, clean)))
    return differs if is_dirty else not_(differs)


def _sort_of(sort: str) -> tuple[ColumnElement[Any], bool]:
    column = SORT_COLUMNS.get(sort.removeprefix("-"))
    if column is None:
        known = sorted(SORT_COLUMNS) + sorted(f"-{name}" for name in SORT_COLUMNS)
        raise Malformed(f"Chats are sorted by one of {', '.join(known)}.", code="bad_sort")
    return column, sort.startswith("-")


def _cursor_by(column_name: str) -> Any:
    def cursor_of(seen: _SeenChat) -> str:
        return write_cursor(getattr(seen.chat, column_name), seen.chat.id)

    return cursor_of


__all__ = [
    "NEWEST_FIRST",
    "SORT_COLUMNS",
    "ChatFilter",
    "get_chat",
    "list_chats",
    "list_shares",
    "share_from",
]
