"""What the next turns of some chats will do to their pins, if policies are as they are asked about.

The drifts are looked up once per distinct pair, and nothing is written.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin import limits
from driftpin.context.holds import less_holds
from driftpin.context.policies import Policies, decide
from driftpin.identity import Actor, ChatId, WorkspaceId
from driftpin.store.access import visible_chats
from driftpin.store.policy_values import NextTurn, PolicyOutcome
from driftpin.store.reading.drift import HEAD, PIN, context_columns, pins_with_heads
from driftpin.store.reading.drift_summaries import KnownDrift, find_sound_drifts, look_until_kept
from driftpin.store.reading.holds import holds_from
from driftpin.store.reading.policies import policies_from
from driftpin.store.tables import chat_pins, chats

Wish = Callable[[Policies], Policies]


async def foresee_policies(
    connection: AsyncConnection, actor: Actor, chosen: ColumnElement[bool], wish: Wish
) -> tuple[PolicyOutcome, ...]:
    """Return one outcome for each chosen chat that differs from its head, if the actor may read it.

    `wish` says what a chat's policies would be. Archived chats take no turn, and have none.
    """
    statement = (
        select(*context_columns())
        .select_from(pins_with_heads())
        .where(chosen, visible_chats(actor), chats.c.archived_at.is_(None), PIN.c.id != HEAD.c.id)
        .order_by(chat_pins.c.chat_id)
        .limit(limits.API_PAGE_ITEMS_MAX)
    )

    async def look() -> tuple[PolicyOutcome, ...]:
        rows = (await connection.execute(statement)).all()
        found = await find_sound_drifts(connection, [(row.pin_id, row.head_id) for row in rows])
        return tuple(
            _outcome(row, wish(policies_from(row)), found[row.pin_id, row.head_id])
            for row in rows
            if (row.pin_id, row.head_id) in found
        )

    return await look_until_kept(look)


def of_chat(chat_id: ChatId) -> ColumnElement[bool]:
    """Choose one chat."""
    return chats.c.id == chat_id


def of_workspace(workspace_id: WorkspaceId) -> ColumnElement[bool]:
    """Choose the chats of a workspace."""
    return chats.c.workspace_id == workspace_id


def _outcome(row: Row[Any], policies: Policies, known: KnownDrift) -> PolicyOutcome:
    left = less_holds(known.drift, holds_from(row.holds))
    decision = decide(left, policies)
    next_turn = NextTurn.MOVES if decision.sources else NextTurn.STAYS
    return PolicyOutcome(
        chat_id=row.chat_id,
        policies=policies,
        next_turn=NextTurn.BLOCKED if decision.is_blocked else next_turn,
        sources=tuple(sorted(decision.sources)),
        severity=left.severity,
    )


__all__ = ["foresee_policies", "of_chat", "of_workspace"]
