"""Stored events, as far as they are certain and the caller may see them.

A push records one `agent.head` for all chats; the chats that it gave their first pin, or moved to
a new agent, name that event in their history. Whoever reads `agent.head`, or a `chat.pinned`
without a chat, asks `list_pin_moves` with its number for the chats among its own, and derives a
`chat.pinned` for each. No payload counts chats.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, assert_never

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    false,
    or_,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin import limits
from driftpin.errors import Unauthenticated
from driftpin.events.event import Event, EventKind, Position
from driftpin.identity import Actor, ActorKind, ChatId, WorkspaceId
from driftpin.store.access import (
    KINDS_OF_ACTORS,
    acting,
    acting_agent,
    acting_user,
    alike,
    visible_chats,
    visible_workspaces,
)
from driftpin.store.event_order import (
    bounds,
    find_window_end,
    is_behind,
    is_up_to,
    read_bounds,
    refuse_gap,
)
from driftpin.store.tables import chats, events, workspaces

KNOWN_KINDS: Final = tuple(kind.value for kind in EventKind)
# What somebody with whom one chat of a workspace is shared may hear of the workspace.
SHARED_KINDS: Final = (EventKind.AGENT_HEAD.value, EventKind.CHAT_PINNED.value)


async def list_events(
    connection: AsyncConnection,
    actor: Actor,
    *,
    after: Position,
    limit: int,
    workspace_id: WorkspaceId | None,
    chat_id: ChatId | None,
) -> tuple[tuple[Event, ...], Position]:
    """Return visible events in order, and where to go on: behind others' events too.

    One call looks at a bounded number of rows; it may return nothing and still move on. Raises Gone
    (`resync_required`) when events behind `after` were removed.
    """
    end = await find_window_end(connection, after, max(limit, limits.EVENTS_PAGE_MAX))
    if end is None:
        return (), after
    statement = _statement(
        alike(actor), of_workspace=workspace_id is not None, of_chat=chat_id is not None
    )
    parameters = {
        **acting(actor),
        **bounds(after=after, end=end),
        "asked_workspace_id": workspace_id,
        "asked_chat_id": chat_id,
        "longest": limit,
    }
    found = tuple(_event_from(row) for row in await connection.execute(statement, parameters))
    await refuse_gap(connection, after)
    return found, (found[-1].position if len(found) == limit else end)


@lru_cache(maxsize=4 * KINDS_OF_ACTORS)
def _statement(actor: Actor, *, of_workspace: bool, of_chat: bool) -> Select[Any]:
    """Return what `list_events` asks for those like this actor; to build it costs as much."""
    return (
        select(events)
        .where(
            is_behind("after"),
            is_up_to("end"),
            # A newer release beside this one may tell of more.
            events.c.kind.in_(KNOWN_KINDS),
            visible_events(actor),
            *_asked(of_workspace=of_workspace, of_chat=of_chat),
        )
        .order_by(events.c.transaction_id, events.c.id)
        .limit(bindparam("longest", type_=Integer))
    )


async def first_and_last_position(
    connection: AsyncConnection, actor: Actor
) -> tuple[Position, Position]:
    """Return between which positions a reader can go on without a gap, both included.

    For everybody who has shown a credential; positions leave the server only under a seal.
    """
    if actor.kind is ActorKind.NOBODY:
        raise Unauthenticated
    return await read_bounds(connection)


def visible_events(actor: Actor) -> ColumnElement[bool]:
    """Whether the actor may see a row of `events`."""
    match actor.kind:
        case ActorKind.WORKER:
            return true()
        case ActorKind.AGENT:
            return events.c.agent_id == acting_agent(actor)
        case ActorKind.NOBODY:
            return false()
        case ActorKind.USER:
            return true() if actor.is_administrator else _visible_to_user(actor)
        case _:
            assert_never(actor.kind)


def _visible_to_user(actor: Actor) -> ColumnElement[bool]:
    sees_chat = exists().where(chats.c.id == events.c.chat_id, visible_chats(actor))
    sees_workspace = exists().where(
        workspaces.c.id == events.c.workspace_id, visible_workspaces(actor)
    )
    sees_chat_there = exists().where(
        chats.c.workspace_id == events.c.workspace_id, visible_chats(actor)
    )
    is_of_workspace = and_(
        events.c.chat_id.is_(None),
        or_(sees_workspace, and_(events.c.kind.in_(SHARED_KINDS), sees_chat_there)),
    )
    return or_(events.c.owner_id == acting_user(actor), sees_chat, is_of_workspace)


def _asked(*, of_workspace: bool, of_chat: bool) -> Iterator[ColumnElement[bool]]:
    if of_workspace:
        workspace_id = bindparam("asked_workspace_id", type_=events.c.workspace_id.type)
        yield events.c.workspace_id == workspace_id
    if of_chat:
        chat_id = bindparam("asked_chat_id", type_=chats.c.id.type)
        its_workspace = select(chats.c.workspace_id).where(chats.c.id == chat_id).scalar_subquery()
        is_of_workspace = and_(events.c.chat_id.is_(None), events.c.workspace_id == its_workspace)
        yield or_(events.c.chat_id == chat_id, is_of_workspace)


def _event_from(row: Row[Any]) -> Event:
    return Event(
        position=Position(row.transaction_id, row.id),
        kind=EventKind(row.kind),
        at=row.at,
        payload=json.loads(row.payload),
        workspace_id=row.workspace_id,
        chat_id=row.chat_id,
        agent_id=row.agent_id,
    )


__all__ = ["first_and_last_position", "list_events", "visible_events"]
