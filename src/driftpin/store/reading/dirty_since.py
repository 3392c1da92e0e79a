"""Since when a chat with holds is dirty: its agent's heads, newest first, until one was clean.

Without holds a chat is clean exactly while the head is the pin, which one look-up finds. With holds
other heads leave it clean too, so each is compared; their drifts were kept when they came.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any, Final

from sqlalchemy import Row, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin import limits
from driftpin.context.holds import Holds, less_holds
from driftpin.identity import AgentId, Digest
from driftpin.store.reading.drift_summaries import KnownDrift, Pair, find_sound_drifts
from driftpin.store.tables import agent_heads

HEADS_PER_PAGE: Final = 32

AnyRow = Row[*tuple[Any, ...]]
# Agent, pin and holds.
Alike = tuple[AgentId, int, frozenset[tuple[str, Digest | None]]]


@dataclass(frozen=True, slots=True)
class HeldPin:
    """A pin with holds that differs from its agent's head."""

    agent_id: AgentId
    pin_id: int
    pinned_at: datetime
    holds: Holds

    @property
    def alike(self) -> Alike:
        """What it shares with pins that were clean by the same heads."""
        return self.agent_id, self.pin_id, frozenset(self.holds.items())


async def find_starts(
    connection: AsyncConnection, pins: Iterable[HeldPin]
) -> dict[Alike, datetime | None]:
    """Return when the first head of the unbroken run of dirtying ones came, by `alike`.

    Heads are looked at once for pins that are alike, however many chats have them. A run that began
    before they were pinned, before the oldest head that is kept, or further back than
    `HEADS_LOOKED_BACK_MAX`, is told from the oldest of its heads that was looked at.
    """
    earliest: dict[Alike, HeldPin] = {}
    for pin in pins:
        known = earliest.setdefault(pin.alike, pin)
        if pin.pinned_at < known.pinned_at:
            earliest[pin.alike] = pin
    return {alike: await _find_start(connection, pin) for alike, pin in earliest.items()}


async def _find_start(connection: AsyncConnection, held: HeldPin) -> datetime | None:
    start: datetime | None = None
    async for page in _pages(connection, held):
        pairs = [(held.pin_id, row.snapshot_id) for row in page if row.snapshot_id is not None]
        found = await find_sound_drifts(connection, pairs)
        for row in page:
            if not _is_dirtying(row, held, found):
                return start
            start = row.accepted_at
    return start


def _is_dirtying(row: AnyRow, held: HeldPin, found: dict[Pair, KnownDrift]) -> bool:
    known = found.get((held.pin_id, row.snapshot_id))
    return known is not None and not less_holds(known.drift, held.holds).is_empty


async def _pages(connection: AsyncConnection, held: HeldPin) -> AsyncIterator[list[AnyRow]]:
    """Give the agent's heads, newest first, down to the one that it had when pinned."""
    place = tuple_(agent_heads.c.incarnation, agent_heads.c.seq)
    newest_first = (
        select(agent_heads)
        .where(agent_heads.c.agent_id == held.agent_id)
        .order_by(agent_heads.c.incarnation.desc(), agent_heads.c.seq.desc())
        .limit(HEADS_PER_PAGE)
    )
    statement = newest_first
    for _ in range(limits.HEADS_LOOKED_BACK_MAX // HEADS_PER_PAGE):
        rows = list((await connection.execute(statement)).all())
        later = list(takewhile(lambda row: row.accepted_at > held.pinned_at, rows))
        yield rows[: len(later) + 1]
        if len(later) < HEADS_PER_PAGE:
            return
        last = rows[-1]
        statement = newest_first.where(place < tuple_(last.incarnation, last.seq))


__all__ = ["Alike", "HeldPin", "find_starts"]
