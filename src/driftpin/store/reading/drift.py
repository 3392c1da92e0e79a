"""What lies between pins and heads, for one chat in full and for many in a line each.

Drift is derived whenever it is asked for: two digests say whether there is any, so nothing that a
push, a crash or an archived chat does can leave a wrong mark behind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    ScalarSelect,
    Select,
    and_,
    case,
    func,
    null,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import NamedFromClause

from driftpin.context.drift import Drift
from driftpin.context.holds import held_part, less_holds
from driftpin.context.policies import decide, is_shown
from driftpin.identity import Actor, AgentId, ChatId
from driftpin.store.access import visible_chats
from driftpin.store.dialects import dialect_for, dialect_of
from driftpin.store.engines import EngineKind
from driftpin.store.reading.columns import snapshot_alias, snapshot_columns, snapshot_from
from driftpin.store.reading.dirty_since import HeldPin, find_starts
from driftpin.store.reading.drift_summaries import (
    KnownDrift,
    Pair,
    find_drifts,
    find_sound_drifts,
    look_until_kept,
)
from driftpin.store.reading.holds import holds_column, holds_from, is_holding
from driftpin.store.reading.lost_pins import refuse_missing
from driftpin.store.reading.manifests import SnapshotDamaged
from driftpin.store.reading.policies import policies_from, policy_columns
from driftpin.store.tables import agent_heads, agents, blobs, chat_pins, chats, workspaces
from driftpin.store.values import ContextSummary, DriftRead, DriftState, SnapshotRef

AnyRow = Row[*tuple[Any, ...]]

NO_DRIFT: Final = Drift((), None)
PIN: Final = snapshot_alias("pin")
HEAD: Final = snapshot_alias("head")


@dataclass(frozen=True, slots=True)
class DriftStates:
    """The present state of some chats, and the drifts that had to be made for it."""

    states: tuple[DriftState, ...]
    fresh: Mapping[Pair, KnownDrift]


async def summarise_contexts(
    connection: AsyncConnection, chat_ids: Sequence[ChatId]
) -> dict[ChatId, ContextSummary]:
    """Return a line about the context of each of these chats, whose sight was granted before."""
    summaries, _ = await _summarise(connection, chat_ids)
    return summaries


async def read_drift(connection: AsyncConnection, actor: Actor, chat_id: ChatId) -> DriftRead:
    """Return a chat's pin, the head of its agent and what lies between them."""
    read, _ = await read_drift_with_fresh(connection, actor, chat_id)
    return read


async def read_drift_with_fresh(
    connection: AsyncConnection, actor: Actor, chat_id: ChatId
) -> tuple[DriftRead, Mapping[Pair, KnownDrift]]:
    """Return the same, with the drift if it had to be made and may now be kept."""
    return await look_until_kept(lambda: _look_at_drift(connection, actor, chat_id))


async def _look_at_drift(
    connection: AsyncConnection, actor: Actor, chat_id: ChatId
) -> tuple[DriftRead, Mapping[Pair, KnownDrift]]:
    row = await _read_both(connection, actor, chat_id)
    pin, head = snapshot_from(row, PIN), snapshot_from(row, HEAD)
    found = await find_drifts(connection, [(pin.id, head.id)] if pin and head else [])
    drift = next((known.drift for known in found.values()), NO_DRIFT)
    read = DriftRead(pin, head, row.pin_manifest, row.head_manifest, drift, holds_from(row.holds))
    return read, _fresh(found)


async def list_drift_states(
    connection: AsyncConnection,
    actor: Actor,
    agent_id: AgentId,
    chat_ids: Sequence[ChatId] | None,
    *,
    limit: int,
    after: ChatId | None,
) -> DriftStates:
    """Return the state of the visible chats that are bound to the agent, by id, behind `after`."""
    statement = (
        select(chats.c.id)
        .join(chat_pins, chat_pins.c.chat_id == chats.c.id)
        .where(chat_pins.c.agent_id == agent_id, visible_chats(actor))
        .order_by(chat_pins.c.chat_id)
        .limit(limit)
    )
    if chat_ids is not None:
        chosen = dialect_of(connection).is_one_of(chat_pins.c.chat_id, chat_ids)
        statement = statement.where(chosen)
    if after is not None:
        statement = statement.where(chat_pins.c.chat_id > after)
    found = list((await connection.execute(statement)).scalars())
    summaries, fresh = await _summarise(connection, found)
    states = (
        DriftState(chat_id, summaries[chat_id].revision, summaries[chat_id]) for chat_id in found
    )
    return DriftStates(tuple(states), fresh)


def drifted_chat_ids() -> Select[Any]:
    """Choose the chats whose pin is not their head, whatever they hold, for another statement."""
    is_alive = and_(agents.c.id == chat_pins.c.agent_id, agents.c.deleted_at.is_(None))
    return (
        select(chat_pins.c.chat_id)
        .join(agents, is_alive)
        .where(chat_pins.c.snapshot_id != agents.c.head_id)
        .correlate(None)
    )


async def _summarise(
    connection: AsyncConnection, chat_ids: Sequence[ChatId]
) -> tuple[dict[ChatId, ContextSummary], Mapping[Pair, KnownDrift]]:
    if not chat_ids:
        return {}, {}
    return await look_until_kept(lambda: _look_at_contexts(connection, chat_ids))


async def _look_at_contexts(
    connection: AsyncConnection, chat_ids: Sequence[ChatId]
) -> tuple[dict[ChatId, ContextSummary], Mapping[Pair, KnownDrift]]:
    asked = {"its_chat_ids": dialect_of(connection).list_parameter(chat_ids)}
    statement = _contexts_of(EngineKind(connection.dialect.name))
    rows = (await connection.execute(statement, asked)).all()
    return await summaries_from(connection, rows)


async def summaries_from(
    connection: AsyncConnection, rows: Sequence[AnyRow]
) -> tuple[dict[ChatId, ContextSummary], Mapping[Pair, KnownDrift]]:
    """Return the contexts of rows that selected `context_columns`, and drifts that were made."""
    pairs = [(row.pin_id, row.head_id) for row in rows if _differs(row)]
    found = await find_sound_drifts(connection, pairs)
    stands = [_stand_of(row, found) for row in rows]
    held = {stand.row.chat_id: _held_pin(stand) for stand in stands}
    starts = await find_starts(connection, [pin for pin in held.values() if pin is not None])
    summaries: dict[ChatId, ContextSummary] = {}
    for stand in stands:
        pin = held[stand.row.chat_id]
        start = stand.row.drifted_at if pin is None else starts[pin.alike]
        summaries[stand.row.chat_id] = _summary_from(stand, start)
    return summaries, _fresh(found)


async def clean_by_holds(
    connection: AsyncConnection, condition: ColumnElement[bool]
) -> tuple[ChatId, ...]:
    """Return the chats that meet the condition on `chats` and of whose drift everything is held.

    Only chats that hold something are looked at, and each distinct pair once.
    """
    statement = (
        select(*context_columns())
        .select_from(pins_with_heads())
        .where(condition, PIN.c.id != HEAD.c.id, is_holding())
    )

    async def look() -> tuple[ChatId, ...]:
        rows = (await connection.execute(statement)).all()
        found = await find_sound_drifts(connection, [(row.pin_id, row.head_id) for row in rows])
        return tuple(row.chat_id for row in rows if not _stand_of(row, found).is_dirty)

    return await look_until_kept(look)


@lru_cache(maxsize=len(EngineKind))
def _contexts_of(engine: EngineKind) -> Select[Any]:
    return (
        select(*context_columns())
        .select_from(pins_with_heads())
        .where(dialect_for(engine).is_listed(chat_pins.c.chat_id, "its_chat_ids"))
    )


def context_columns() -> tuple[ColumnElement[Any], ...]:
    """Return what is selected of `pins_with_heads` for a line about a context."""
    return (
        chat_pins.c.chat_id,
        chat_pins.c.agent_id,
        chat_pins.c.revision,
        chat_pins.c.pinned_at,
        func.coalesce(chat_pins.c.error, agents.c.head_error).label("context_error"),
        case((PIN.c.id != HEAD.c.id, _first_other_head(PIN)), else_=null()).label("drifted_at"),
        *snapshot_columns(PIN),
        *snapshot_columns(HEAD),
        holds_column(),
        *policy_columns(),
    )


def pins_with_heads() -> Any:
    """Return chats with their workspaces, pins and snapshots, and the heads of living agents."""
    is_alive = and_(agents.c.id == chat_pins.c.agent_id, agents.c.deleted_at.is_(None))
    return (
        chats.join(chat_pins, chat_pins.c.chat_id == chats.c.id)
        .join(workspaces, workspaces.c.id == chats.c.workspace_id)
        .outerjoin(agents, is_alive)
        .outerjoin(PIN, PIN.c.id == chat_pins.c.snapshot_id)
        .outerjoin(HEAD, HEAD.c.id == agents.c.head_id)
    )


def _first_other_head(pin: NamedFromClause[Any]) -> ScalarSelect[datetime]:
    """When the first head after the last one that was the pin was accepted."""
    heads = agent_heads.alias("heads")
    place = tuple_(heads.c.incarnation, heads.c.seq)
    last = tuple_(
        func.coalesce(_last_same(pin, "incarnation"), 0), func.coalesce(_last_same(pin, "seq"), 0)
    )
    return (
        select(heads.c.accepted_at)
        .where(heads.c.agent_id == chat_pins.c.agent_id, place > last)
        .order_by(heads.c.incarnation, heads.c.seq)
        .limit(1)
        .correlate(chat_pins, pin)
        .scalar_subquery()
    )


def _last_same(pin: NamedFromClause[Any], name: str) -> ColumnElement[int]:
    same = agent_heads.alias(f"same_{name}")
    return (
        select(same.c[name])
        .where(same.c.agent_id == chat_pins.c.agent_id, same.c.digest == pin.c.digest)
        .order_by(same.c.incarnation.desc(), same.c.seq.desc())
        .limit(1)
        .correlate(chat_pins, pin)
        .scalar_subquery()
    )


async def _read_both(connection: AsyncConnection, actor: Actor, chat_id: ChatId) -> AnyRow:
    pin_blob, head_blob = blobs.alias("pin_blob"), blobs.alias("head_blob")
    statement = (
        select(
            *snapshot_columns(PIN),
            *snapshot_columns(HEAD),
            holds_column(),
            pin_blob.c.content.label("pin_manifest"),
            head_blob.c.content.label("head_manifest"),
        )
        .select_from(
            pins_with_heads()
            .outerjoin(pin_blob, pin_blob.c.id == PIN.c.manifest_blob_id)
            .outerjoin(head_blob, head_blob.c.id == HEAD.c.manifest_blob_id)
        )
        .where(chats.c.id == chat_id, visible_chats(actor))
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        await refuse_missing(connection, actor, chat_id)
    return row


@dataclass(frozen=True, slots=True)
class _Stand:
    """A pin beside its head: what is held of the drift, and what is left of it.

    `is_damaged` says that the two differ and could not be compared.
    """

    row: AnyRow
    pin: SnapshotRef | None
    head: SnapshotRef | None
    left: Drift
    held: Drift
    is_damaged: bool

    @property
    def is_dirty(self) -> bool:
        return self.is_damaged or not self.left.is_empty


def _stand_of(row: AnyRow, found: Mapping[Pair, KnownDrift]) -> _Stand:
    pin, head = snapshot_from(row, PIN), snapshot_from(row, HEAD)
    known = found.get((pin.id, head.id)) if pin and head else None
    drift = known.drift if known else NO_DRIFT
    holds = holds_from(row.holds)
    return _Stand(
        row=row,
        pin=pin,
        head=head,
        left=less_holds(drift, holds),
        held=held_part(drift, holds),
        is_damaged=_differs(row) and known is None,
    )


def _held_pin(stand: _Stand) -> HeldPin | None:
    """Return what tells since when the chat is dirty, if it is and holds something."""
    row = stand.row
    if not row.holds or not stand.is_dirty or stand.is_damaged:
        return None
    return HeldPin(row.agent_id, row.pin_id, row.pinned_at, holds_from(row.holds))


def _summary_from(stand: _Stand, start: datetime | None) -> ContextSummary:
    row = stand.row
    damage = SnapshotDamaged.default_code if stand.is_damaged else None
    policies = policies_from(row)
    return ContextSummary(
        agent_id=row.agent_id,
        snapshot=stand.pin,
        revision=row.revision,
        pinned_at=row.pinned_at,
        head=stand.head,
        complete=stand.pin is not None and not stand.pin.has_holes,
        dirty=stand.is_dirty,
        dirty_since=_dirty_since(stand, start),
        severity=stand.left.severity,
        held=len(stand.held.entries),
        error=row.context_error or damage,
        policies=policies,
        has_badge=stand.is_damaged or is_shown(stand.left, policies),
        is_blocked=decide(stand.left, policies).is_blocked,
    )


def _differs(row: AnyRow) -> bool:
    return row.pin_id is not None and row.head_id is not None and row.pin_id != row.head_id


def _dirty_since(stand: _Stand, start: datetime | None) -> datetime | None:
    """Return since when the heads differ; a pin cannot have been dirty before it was pinned."""
    if not stand.is_dirty:
        return None
    known = [instant for instant in (start, stand.row.pinned_at) if instant is not None]
    return max(known, default=None)


def _fresh(found: Mapping[Pair, KnownDrift]) -> dict[Pair, KnownDrift]:
    return {pair: known for pair, known in found.items() if known.is_fresh}


__all__ = [
    "DriftStates",
    "clean_by_holds",
    "context_columns",
    "drifted_chat_ids",
    "list_drift_states",
    "pins_with_heads",
    "read_drift",
    "read_drift_with_fresh",
    "summaries_from",
    "summarise_contexts",
]
