"""The pin that a turn uses: the one it began with, and what may count inside a turn.

A turn holds the revision that its first request was built from. Completions that follow it without
a gap count at once, and so will revocations; whatever else moves the chat's pin counts from the
next turn, unless a person's refresh said `now` and gave the turn another revision to hold.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    func,
    null,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.errors import Conflict
from driftpin.identity import Actor, ChatId
from driftpin.store.access import KINDS_OF_ACTORS, acting, alike, visible_chats
from driftpin.store.reading.columns import snapshot_alias, snapshot_columns
from driftpin.store.reading.lost_pins import refuse_missing
from driftpin.store.reading.pins import pinned_from
from driftpin.store.tables import blobs, chat_pin_history, chat_pins, chats, turns
from driftpin.store.values import PinnedRead

COUNT_INSIDE: Final = ("complete", "revoke")
PIN: Final = snapshot_alias("pin")


_CHAT_ID: Final = bindparam("its_chat_id", type_=chats.c.id.type)
_TURN: Final = bindparam("its_turn", type_=turns.c.number.type)
_IS_TURN: Final = and_(turns.c.chat_id == _CHAT_ID, turns.c.number == _TURN)


async def read_turn_pin(
    connection: AsyncConnection, actor: Actor, chat_id: ChatId, turn: int
) -> PinnedRead:
    """Return the pin that the turn's next request is to be built from, out of one statement.

    Raises Conflict (`snapshot_expired`) when its snapshot was collected: never another one instead.
    """
    asked = {"its_chat_id": chat_id, "its_turn": turn, **acting(actor)}
    return await _read(connection, actor, _of_next_request(alike(actor)), asked)


async def read_request_pin(
    connection: AsyncConnection, actor: Actor, chat_id: ChatId, turn: int
) -> PinnedRead:
    """Return the pin that the turn's newest request was built from, out of one statement."""
    asked = {"its_chat_id": chat_id, "its_turn": turn, **acting(actor)}
    return await _read(connection, actor, _of_newest_request(alike(actor)), asked)


@lru_cache(maxsize=KINDS_OF_ACTORS)
def _of_next_request(actor: Actor) -> Select[Any]:
    used = _used_revision()
    # The move after it names what it moved from; it was made during the turn, so it is kept.
    following = chat_pin_history.alias("following")
    is_present = chat_pins.c.revision == used.c.revision
    snapshot_id = case((is_present, chat_pins.c.snapshot_id), else_=following.c.from_id)
    return (
        select(
            chats,
            used.c.revision,
            chat_pins.c.agent_id,
            case((is_present, null()), else_=following.c.from_digest).label("named"),
            *snapshot_columns(PIN),
            blobs.c.content.label("manifest"),
        )
        .select_from(
            chats.join(chat_pins, chat_pins.c.chat_id == chats.c.id)
            .join(used, true())
            .outerjoin(
                following,
                and_(
                    following.c.chat_id == chats.c.id,
                    following.c.revision == used.c.revision + 1,
                ),
            )
            .outerjoin(PIN, PIN.c.id == snapshot_id)
            .outerjoin(blobs, blobs.c.id == PIN.c.manifest_blob_id)
        )
        .where(chats.c.id == _CHAT_ID, visible_chats(actor))
    )


@lru_cache(maxsize=KINDS_OF_ACTORS)
def _of_newest_request(actor: Actor) -> Select[Any]:
    return (
        select(
            chats,
            func.coalesce(turns.c.pin_revision, 0).label("revision"),
            chat_pins.c.agent_id,
            null().label("named"),
            *snapshot_columns(PIN),
            blobs.c.content.label("manifest"),
        )
        .select_from(
            chats.join(chat_pins, chat_pins.c.chat_id == chats.c.id)
            .join(turns, _IS_TURN)
            .outerjoin(PIN, PIN.c.id == turns.c.snapshot_id)
            .outerjoin(blobs, blobs.c.id == PIN.c.manifest_blob_id)
        )
        .where(chats.c.id == _CHAT_ID, visible_chats(actor))
    )


def _used_revision() -> CTE:
    """The revision that the turn holds, or that of the last move behind it that counts inside."""
    move, gap = chat_pin_history.alias("move"), chat_pin_history.alias("gap")
    held: ColumnElement[Any] = select(turns.c.held_revision).where(_IS_TURN).scalar_subquery()
    present = select(chat_pins.c.revision).where(chat_pins.c.chat_id == _CHAT_ID).scalar_subquery()
    has_gap = (
        select(gap.c.revision)
        .where(
            gap.c.chat_id == _CHAT_ID,
            gap.c.revision > held,
            gap.c.revision <= move.c.revision,
            gap.c.verb.not_in(COUNT_INSIDE),
        )
        .exists()
    )
    completed = (
        select(func.max(move.c.revision))
        .where(move.c.chat_id == _CHAT_ID, move.c.revision > held, ~has_gap)
        .scalar_subquery()
    )
    return select(func.coalesce(completed, held, present).label("revision")).cte("used")


async def _read(
    connection: AsyncConnection, actor: Actor, statement: Select[Any], asked: Mapping[str, Any]
) -> PinnedRead:
    row = (await connection.execute(statement, asked)).first()
    if row is None:
        await refuse_missing(connection, actor, asked["its_chat_id"])
    pinned = pinned_from(row, PIN)
    if pinned.snapshot is None and row.named is not None:
        raise Conflict("What this turn runs on is no longer kept.", code="snapshot_expired")
    return pinned


__all__ = ["read_request_pin", "read_turn_pin"]
