"""Move a chat's pin as its policies say: at the start of a turn, and never inside one.

What is taken of the head follows from the drift that is kept of (pin, head), the policies and what
the chat holds. A snapshot that had to be made for it is found again by its history row, so chats
that stand alike share one, and it is made once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from driftpin.context.holds import NO_HOLDS, blended, less_holds
from driftpin.context.policies import decide
from driftpin.errors import DriftpinError
from driftpin.identity import Actor
from driftpin.operations.pin_moves import Binding
from driftpin.operations.single_moves import record_changed, record_pinned
from driftpin.operations.stored_snapshots import store_selected
from driftpin.store.database import Transaction
from driftpin.store.reading.drift_summaries import find_drifts
from driftpin.store.reading.holds import read_holds
from driftpin.store.reading.manifests import check_intact, read_snapshots
from driftpin.store.reading.policies import read_policies
from driftpin.store.values import PinMove, SnapshotRef
from driftpin.store.writing.derived import find_applied
from driftpin.store.writing.drift_summaries import keep_drifts
from driftpin.store.writing.heads import list_heads
from driftpin.store.writing.pins import (
    POLICY_ERROR,
    LockedPin,
    Move,
    PinVerb,
    lock_pin,
    move_pins,
    set_pin_error,
)
from driftpin.store.writing.turns import get_chat_row

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Applied:
    """Where the policies move a pin, and what history says of it."""

    target: SnapshotRef
    inputs: Mapping[str, Any]


async def apply_policies_in(transaction: Transaction, actor: Actor, before: PinMove) -> PinMove:
    """Return where the chat's pin stands after its policies were applied.

    What the domain has against it leaves the pin where it is and says so in the chat's context.
    """
    pin = await lock_pin(transaction, before.chat_id)
    if pin.is_archived or pin.snapshot_id is None or pin.agent_id is None:
        return before
    if pin.has_binding_error:
        # Its reason must stay, or the next settlement would not bind the chat again.
        return before
    head = (await list_heads(transaction, {pin.agent_id})).get(pin.agent_id)
    applied, error = None, None
    try:
        if head is not None and head.id != pin.snapshot_id:
            applied = await _apply(transaction, pin, pin.snapshot_id, head)
    except DriftpinError as refusal:
        log.warning("policy_not_applied", code=refusal.code, chat_id=pin.chat_id, exc_info=True)
        error = f"{POLICY_ERROR}{refusal.code}"
    if applied is None:
        await _tell(transaction, pin, Binding(pin.agent_id, head), error)
        return before
    return await _move(transaction, actor, pin, applied)


async def _apply(
    transaction: Transaction, pin: LockedPin, pin_id: int, head: SnapshotRef
) -> Applied | None:
    """Return where the pin goes; None if it stays. Decided once per (pin, head, policy, holds)."""
    policies = await read_policies(transaction.connection, pin.chat_id)
    if not policies.may_move:
        return None
    pair = (pin_id, head.id)
    found = await find_drifts(transaction.connection, [pair])
    await keep_drifts(transaction, found)
    drift = found[pair].drift
    holds = (await read_holds(transaction.connection, [pin.chat_id])).get(pin.chat_id, NO_HOLDS)
    decision = decide(less_holds(drift, holds), policies)
    if decision.is_blocked:
        log.info("policy_blocked", chat_id=pin.chat_id)
    if not decision.sources:
        return None
    inputs: dict[str, Any] = {"policy": str(policies), "head": head.digest}
    if decision.sources == drift.sources:
        await check_intact(transaction.connection, head)
        return Applied(head, inputs)
    inputs["taken"] = sorted(decision.sources)
    target = await find_applied(transaction, pin_id, inputs)
    if target is None:
        known = await read_snapshots(transaction.connection, set(pair))
        blend = blended(known[pin_id], known[head.id], decision.sources)
        target = await store_selected(transaction, pin.workspace_id, blend)
    return Applied(target, inputs)


async def _move(
    transaction: Transaction, actor: Actor, pin: LockedPin, applied: Applied
) -> PinMove:
    chat = await get_chat_row(transaction, pin.chat_id)
    verb = PinVerb.APPLY_POLICY
    event_id = await record_pinned(transaction, chat, applied.target, verb)
    move = Move(verb, actor, pin.agent_id, applied.inputs, event_id)
    await move_pins(transaction, [pin.chat_id], applied.target, move)
    return PinMove(pin.chat_id, pin.revision + 1, applied.target, moved=True, verb=verb.value)


async def _tell(
    transaction: Transaction, pin: LockedPin, binding: Binding, error: str | None
) -> None:
    """Keep in the chat's context that its policies could not be applied, or that they could."""
    if error == pin.error or (error is None and not pin.has_policy_error):
        return
    await set_pin_error(transaction, [pin.chat_id], error)
    await record_changed(transaction, await get_chat_row(transaction, pin.chat_id), binding)


__all__ = ["apply_policies_in"]
