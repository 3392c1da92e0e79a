"""Binding chats to an agent and pinning them to its head: the step that every verb shares.

Binding always holds. Whatever may stand against moving a pin is found before any pin is moved: then
the old pin stays, the chat's context says why, and the next settlement tries again. A failure of
the database is none of the domain's and fails the whole operation.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import structlog

from driftpin.context.drift import Severity
from driftpin.errors import DriftpinError
from driftpin.identity import Actor, AgentId, ChatId
from driftpin.store.database import Transaction
from driftpin.store.reading.drift_summaries import find_drifts
from driftpin.store.reading.manifests import check_intact
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.drift_summaries import keep_drifts
from driftpin.store.writing.pins import (
    LockedPin,
    Move,
    PinVerb,
    bind_pins,
    move_pins,
    set_pin_error,
)

log = structlog.get_logger(__name__)

EventSource = Callable[[PinVerb], Awaitable[int]]


class Step(StrEnum):
    """What binding a chat to an agent means for its pin."""

    KEEP = "keep"
    HYDRATE = "hydrate"
    UNPIN = "unpin"
    REPIN = "repin"


@dataclass(frozen=True, slots=True)
class Binding:
    """The agent that chats are bound to, with its head if it has pushed."""

    agent_id: AgentId
    head: SnapshotRef | None


@dataclass(frozen=True, slots=True)
class Settled:
    """Which pins moved to the target, by which verb, or why they did not where they should have."""

    target: SnapshotRef | None
    hydrated: tuple[ChatId, ...] = ()
    rebound: tuple[ChatId, ...] = ()
    failure: DriftpinError | None = None

    @property
    def moved(self) -> tuple[ChatId, ...]:
        """Every chat whose pin moved."""
        return self.hydrated + self.rebound


def step_for(pin: LockedPin, head: SnapshotRef | None) -> Step:
    """Return what is due for a pin that is bound to an agent with this head.

    An archived chat receives nothing. A first binding leaves a pin alone, and a sub-chat never
    parts from its parent.
    """
    if pin.is_archived:
        return Step.KEEP
    if pin.snapshot_id is None:
        return Step.HYDRATE if head else Step.KEEP
    if pin.agent_id is None or pin.parent_id is not None:
        return Step.KEEP
    if head is None:
        return Step.UNPIN
    return Step.KEEP if head.id == pin.snapshot_id else Step.REPIN


async def bind_and_pin(
    transaction: Transaction,
    actor: Actor,
    pins: Sequence[LockedPin],
    binding: Binding,
    event_of: EventSource,
) -> Settled:
    """Bind the locked chats to the agent and do what is due for their pins.

    `event_of` gives the event that history rows name, once something moves.
    """
    steps = _by_step(pins, binding.head)
    due = [pin.chat_id for step in steps if step is not Step.KEEP for pin in steps[step]]
    failure: DriftpinError | None = None
    moves: Mapping[PinVerb, list[ChatId]] = {}
    try:
        moves = await _decide(transaction, steps, binding) if due else {}
    except DriftpinError as refusal:
        log.warning("pin_step_failed", code=refusal.code, chats=len(due), exc_info=True)
        failure = refusal
    moved = {verb: tuple(chat_ids) for verb, chat_ids in moves.items() if chat_ids}
    for verb, chat_ids in moved.items():
        move = Move(
            verb=verb,
            actor=actor,
            agent_id=binding.agent_id,
            event_id=await event_of(verb),
            inputs={"agent_id": binding.agent_id},
        )
        await move_pins(transaction, chat_ids, binding.head, move)
    await _bind_others(transaction, pins, binding, moved)
    if failure is not None:
        await set_pin_error(transaction, due, failure.code)
    return Settled(
        binding.head, moved.get(PinVerb.HYDRATE, ()), moved.get(PinVerb.REBIND, ()), failure
    )


async def _bind_others(
    transaction: Transaction,
    pins: Sequence[LockedPin],
    binding: Binding,
    moved: Mapping[PinVerb, Sequence[ChatId]],
) -> None:
    """Bind the chats whose pins stay where they are; a move binds its chats itself."""
    done = {chat_id for chat_ids in moved.values() for chat_id in chat_ids}
    others = [
        pin.chat_id
        for pin in pins
        if pin.chat_id not in done and (pin.agent_id != binding.agent_id or pin.error)
    ]
    if others:
        await bind_pins(transaction, others, binding.agent_id)


def _by_step(pins: Sequence[LockedPin], head: SnapshotRef | None) -> Mapping[Step, list[LockedPin]]:
    steps: defaultdict[Step, list[LockedPin]] = defaultdict(list)
    for pin in pins:
        steps[step_for(pin, head)].append(pin)
    return steps


async def _decide(
    transaction: Transaction, steps: Mapping[Step, list[LockedPin]], binding: Binding
) -> Mapping[PinVerb, list[ChatId]]:
    """Return which chats move, by which verb; raises what stands against it."""
    if binding.head is not None:
        await check_intact(transaction.connection, binding.head)
    hydrated: list[ChatId] = []
    rebound: list[ChatId] = []
    for step, pins in sorted(steps.items()):
        match step:
            case Step.KEEP:
                continue
            case Step.HYDRATE:
                hydrated = [pin.chat_id for pin in pins]
            case Step.UNPIN:
                rebound = [pin.chat_id for pin in pins]
            case Step.REPIN:
                rebound = await _without_risk(transaction, pins, binding.head)
            case _:
                assert_never(step)
    return {PinVerb.HYDRATE: hydrated, PinVerb.REBIND: rebound}


async def _without_risk(
    transaction: Transaction, pins: Sequence[LockedPin], head: SnapshotRef | None
) -> list[ChatId]:
    """Return the chats that may be pinned anew; decided once per distinct pinned snapshot."""
    assert head is not None, "without a head there is nothing to pin anew"
    pairs = {(pin.snapshot_id, head.id) for pin in pins if pin.snapshot_id is not None}
    found = await find_drifts(transaction.connection, pairs)
    await keep_drifts(transaction, found)
    risky = {pair[0] for pair, known in found.items() if known.drift.severity is Severity.RISKY}
    return [pin.chat_id for pin in pins if pin.snapshot_id not in risky]


__all__ = ["Binding", "EventSource", "Settled", "Step", "bind_and_pin", "step_for"]
