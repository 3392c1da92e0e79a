"""Statements on the leases of turns: how long they hold, and who lets go."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, tuple_, update

from driftpin.chat.states import ChatState
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.leases import TurnLease
from driftpin.store.tables import chats, turns
from driftpin.store.writing.turn_statements import IS_HELD, RUNNING, held_by


async def extend_leases(
    transaction: Transaction, leases: Sequence[TurnLease], lease_s: float
) -> None:
    """Hold the turns for another `lease_s` seconds from now, unless they were freed meanwhile.

    Turns that are locked at this moment are passed over.
    """
    held = tuple_(turns.c.chat_id, turns.c.number, turns.c.fence)
    free_to_write = (
        select(turns.c.chat_id, turns.c.number)
        .where(
            held.in_([(lease.chat_id, lease.turn, lease.fence) for lease in leases]),
            turns.c.state == RUNNING,
            turns.c.lease_until.is_not(None),
        )
        .with_for_update(skip_locked=True)
    )
    await transaction.connection.execute(
        update(turns)
        .where(tuple_(turns.c.chat_id, turns.c.number).in_(free_to_write))
        .values(lease_until=until(transaction, lease_s))
    )


async def states_of_held(
    transaction: Transaction, leases: Sequence[TurnLease]
) -> dict[TurnLease, ChatState]:
    """Return what the chats of these leases do, without those that others have taken over.

    A turn that its holder has ended is no longer held by anybody, but it was not lost.
    """
    held = tuple_(turns.c.chat_id, turns.c.number, turns.c.fence)
    by_key = {(lease.chat_id, lease.turn, lease.fence): lease for lease in leases}
    statement = (
        select(turns.c.chat_id, turns.c.number, turns.c.fence, chats.c.state)
        .join(chats, chats.c.id == turns.c.chat_id)
        .where(held.in_(list(by_key)))
    )
    rows = await transaction.connection.execute(statement)
    return {by_key[row.chat_id, row.number, row.fence]: ChatState(row.state) for row in rows}


async def free_turn(transaction: Transaction, lease: TurnLease) -> bool:
    """Let go of the turn if this very lease still holds it, and have every worker woken."""
    changed = await transaction.connection.execute(
        update(turns).where(IS_HELD).values(holder=None, lease_until=None), held_by(lease)
    )
    transaction.has_events |= changed.rowcount > 0
    return changed.rowcount > 0


async def free_turns(transaction: Transaction) -> int:
    """Let go of every turn: no process holds any."""
    changed = await transaction.connection.execute(
        update(turns).where(turns.c.state == RUNNING).values(holder=None, lease_until=None)
    )
    return changed.rowcount


def until(transaction: Transaction, lease_s: float) -> ColumnElement[datetime]:
    """Return when a lease runs out that is given now."""
    later = timedelta(seconds=lease_s)
    return dialect_of(transaction.connection).present(transaction.now, later)


__all__ = ["extend_leases", "free_turn", "free_turns", "states_of_held", "until"]
