"""Binding chats to an agent and pinning them to its head: the step that every verb shares.

Binding always holds. Whatever may stand against moving a pin is found before any pin is moved: then
the old pin stays, the chat's context says why, and the next settlement tries again. A failure of
the database is none of the domain's and fails the whole operation.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import structlog

from driftpin.errors import DriftpinError
from driftpin.identity import Actor, AgentId, ChatId
from driftpin.operations.rebind_courses import Course, rebind_courses
from driftpin.store.database import Transaction
from driftpin.store.reading.holds import read_holds
from driftpin.store.reading.manifests import check_intact
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.holds import drop_holds
from driftpin.store.writing.pins import (
    LockedPin,
    Move,
    PinVerb,
    bind_pins,
    move_pins,
    set_pin_error,
)

log = structlog.get_logger(__name__)

EventSource = Callable[[PinVerb, SnapshotRef | None], Awaitable[int]]


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
    """Which pins moved, by which verb and where to, or why they did not where they should have."""

    courses: tuple[Course, ...] = ()
    failure: DriftpinError | None = None

    @property
    def hydrated(self) -> tuple[ChatId, ...]:
        """Every chat that got its first pin."""
        return self._moved_by(PinVerb.HYDRATE)

    @property
    def rebound(self) -> tuple[ChatId, ...]:
        """Every chat whose pin went with it to another agent."""
        return self._moved_by(PinVerb.REBIND)

    @property
    def moved(self) -> tuple[ChatId, ...]:
        """Every chat whose pin moved."""
        return self.hydrated + self.rebound

    def _moved_by(self, verb: PinVerb) -> tuple[ChatId, ...]:
        return tuple(
            chat_id for course in self.courses if course.verb is verb for chat_id in course.chat_ids
        )


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
    courses: tuple[Course, ...] = ()
    try:
        courses = await _decide(transaction, steps, binding) if due else ()
    except DriftpinError as refusal:
        log.warning("pin_step_failed", code=refusal.code, chats=len(due), exc_info=True)
        failure = refusal
    for course in courses:
        move = Move(
            verb=course.verb,
            actor=actor,
            agent_id=binding.agent_id,
            event_id=await event_of(course.verb, course.target),
            inputs={"agent_id": binding.agent_id, **course.inputs},
        )
        await move_pins(transaction, course.chat_ids, course.target, move)
        if course.overtaken:
            await drop_holds(transaction, course.chat_ids, course.overtaken)
    settled = Settled(courses, failure)
    await _bind_others(transaction, pins, binding, set(settled.moved))
    if failure is not None:
        await set_pin_error(transaction, due, failure.code)
    return settled


async def _bind_others(
    transaction: Transaction,
    pins: Sequence[LockedPin],
    binding: Binding,
    moved: Collection[ChatId],
) -> None:
    """Bind the chats whose pins stay where they are; a move binds its chats itself."""
    others = [
        pin.chat_id
        for pin in pins
        if pin.chat_id not in moved and (pin.agent_id != binding.agent_id or pin.error)
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
) -> tuple[Course, ...]:
    """Return which chats move, by which verb and where to; raises what stands against it."""
    if binding.head is not None:
        await check_intact(transaction.connection, binding.head)
    courses: list[Course] = []
    for step, pins in sorted(steps.items()):
        chat_ids = tuple(pin.chat_id for pin in pins)
        match step:
            case Step.KEEP:
                continue
            case Step.HYDRATE:
                courses.append(Course(PinVerb.HYDRATE, chat_ids, binding.head))
            case Step.UNPIN:
                held = await read_holds(transaction.connection, chat_ids)
                every = frozenset(source for holds in held.values() for source in holds)
                courses.append(Course(PinVerb.REBIND, chat_ids, None, overtaken=every))
            case Step.REPIN:
                assert binding.head is not None, "without a head there is nothing to pin anew"
                courses += await rebind_courses(transaction, pins, binding.head)
            case _:
                assert_never(step)
    return tuple(courses)


__all__ = ["Binding", "EventSource", "Settled", "Step", "bind_and_pin", "step_for"]
