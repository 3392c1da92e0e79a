"""Bugs put into the product on purpose, to show that the model tests would find them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from sqlalchemy import delete, true

from driftpin.operations import (
    accept_snapshot,
    collect_garbage,
    pin_moves,
    rebind_courses,
    refresh_context,
    share_chat,
    single_moves,
    stored_snapshots,
)
from driftpin.operations.pin_moves import Step
from driftpin.operations.rebind_courses import Course
from driftpin.store.database import Transaction
from driftpin.store.reading import chats as reading_chats
from driftpin.store.reading import drift as reading_drift
from driftpin.store.tables import chat_pin_history, chat_pins, events
from driftpin.store.writing.compared_moves import ComparedMove, compare_and_move
from driftpin.store.writing.garbage import remove_snapshots
from driftpin.store.writing.heads import append_head
from driftpin.store.writing.pins import LockedPin, PinVerb, lock_pins

Plant = Callable[[pytest.MonkeyPatch], None]


def refresh_forgets_its_history(patch: pytest.MonkeyPatch) -> None:
    async def forgetful(transaction: Transaction, wanted: ComparedMove) -> int | None:
        event_id = await compare_and_move(transaction, wanted)
        await transaction.connection.execute(
            delete(chat_pin_history).where(chat_pin_history.c.event_id == event_id)
        )
        return event_id

    patch.setattr(single_moves, "compare_and_move", forgetful)


def hydrate_touches_pinned_chats(patch: pytest.MonkeyPatch) -> None:
    async def all_pins(
        transaction: Transaction, workspace_id: str, agent_id: str
    ) -> tuple[LockedPin, ...]:
        return await lock_pins(transaction, chat_pins.c.workspace_id == workspace_id)

    def hydrate(pin: LockedPin, head: Any) -> Step:
        return Step.KEEP if head is None or pin.snapshot_id == head.id else Step.HYDRATE

    patch.setattr(accept_snapshot, "lock_waiting_pins", all_pins)
    patch.setattr(pin_moves, "step_for", hydrate)


def push_believes_its_bytes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stored_snapshots, "check_bodies", lambda *_: None)


def push_believes_its_digests(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stored_snapshots, "check_snapshot", lambda *_: None)


def stale_push_is_accepted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(accept_snapshot, "_fence", lambda *_: None)


def event_is_lost(patch: pytest.MonkeyPatch) -> None:
    async def silent(*_: Any, **__: Any) -> int:
        return 1

    patch.setattr(share_chat, "record_event", silent)


def head_comes_without_its_event(patch: pytest.MonkeyPatch) -> None:
    async def silent(transaction: Transaction, *head: Any, **told: Any) -> int:
        event_id = await append_head(transaction, *head, **told)
        await transaction.connection.execute(delete(events).where(events.c.id == event_id))
        return 1

    patch.setattr(accept_snapshot, "append_head", silent)


def lists_show_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reading_chats, "visible_chats", lambda *_: true())


def collector_knows_no_grace(patch: pytest.MonkeyPatch) -> None:
    async def hasty(transaction: Transaction, *, before: Any, limit: int) -> int:
        return await remove_snapshots(transaction, before=transaction.now, limit=limit)

    patch.setattr(collect_garbage, "remove_snapshots", hasty)


def dirt_is_not_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reading_drift, "_differs", lambda _: False)


def refresh_ignores_what_was_shown(patch: pytest.MonkeyPatch) -> None:
    chosen = refresh_context.required_head
    patch.setattr(
        refresh_context, "required_head", lambda seen, asked: chosen(seen, replace(asked, to=None))
    )


def rebind_ignores_risk(patch: pytest.MonkeyPatch) -> None:
    async def reckless(_: Transaction, pins: Any, head: Any) -> list[Course]:
        return [Course(PinVerb.REBIND, tuple(pin.chat_id for pin in pins), head)]

    patch.setattr(pin_moves, "rebind_courses", reckless)


def holds_outlive_a_refresh(patch: pytest.MonkeyPatch) -> None:
    async def keep(*_: Any) -> None:
        return None

    patch.setattr(refresh_context, "replace_holds", keep)


def holds_do_not_travel(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> dict[Any, Any]:
        return {}

    patch.setattr(rebind_courses, "read_holds", nothing)


PLANTS: Final[tuple[Plant, ...]] = (
    refresh_forgets_its_history,
    hydrate_touches_pinned_chats,
    push_believes_its_bytes,
    push_believes_its_digests,
    stale_push_is_accepted,
    event_is_lost,
    head_comes_without_its_event,
    lists_show_everything,
    collector_knows_no_grace,
    dirt_is_not_seen,
    refresh_ignores_what_was_shown,
    rebind_ignores_risk,
    holds_outlive_a_refresh,
    holds_do_not_travel,
)

__all__ = ["PLANTS", "Plant", "event_is_lost"]
