"""Pins: one narrow row per chat, moved by one function that writes the history with the move.

Rows of `chats` are never touched here. Whoever moves several pins locks them first, by id.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Insert,
    Update,
    bindparam,
    insert,
    literal,
    or_,
    select,
    update,
)

from driftpin.identity import Actor, AgentId, ChatId, UserId, WorkspaceId
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.dialects import dialect_for, dialect_of
from driftpin.store.reading.lost_pins import refuse_missing
from driftpin.store.tables import chat_pin_history, chat_pins, chats, snapshots
from driftpin.store.values import SnapshotRef


class PinVerb(StrEnum):
    """The verbs that move a pin (spec/pinning.md §3); `inherit` is how a sub-chat or fork is born.

    `revoke` has its place in history before it has an operation.
    """

    HYDRATE = "hydrate"
    INHERIT = "inherit"
    REFRESH = "refresh"
    ROLL_BACK = "roll_back"
    REBIND = "rebind"
    COMPLETE = "complete"
    APPLY_POLICY = "apply_policy"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class LockedPin:
    """A chat's pin under lock."""

    chat_id: ChatId
    workspace_id: WorkspaceId
    agent_id: AgentId | None
    snapshot_id: int | None
    revision: int
    is_archived: bool
    error: str | None
    parent_id: ChatId | None

    @property
    def has_policy_error(self) -> bool:
        """Whether the policies of the chat could not be applied."""
        return self.error is not None and self.error.startswith(POLICY_ERROR)

    @property
    def has_binding_error(self) -> bool:
        """Whether the chat could not be pinned when it was bound to its agent."""
        return self.error is not None and not self.has_policy_error


@dataclass(frozen=True, slots=True)
class Move:
    """What is written into history beside from and to; the event may come with the move."""

    verb: PinVerb
    actor: Actor
    agent_id: AgentId | None
    inputs: Mapping[str, Any]
    event_id: int | None = None


# Stands before what went wrong with a policy, which is no reason to bind the chat anew.
POLICY_ERROR: Final = "policy: "
# A comparison, unlike IS FALSE, is what the partial indexes are searched with.
IS_UNARCHIVED: Final = chat_pins.c.is_archived == literal(False, chat_pins.c.is_archived.type)  # noqa: FBT003 a value of the column
# What all history rows of one move have in common.
SHARED: Final = (
    "verb",
    "inputs",
    "to_digest",
    "to_id",
    "agent_id",
    "actor",
    "event_id",
    "at",
)
LOCK_PINS: Final = (
    select(
        chat_pins.c.chat_id,
        chat_pins.c.workspace_id,
        chat_pins.c.agent_id,
        chat_pins.c.snapshot_id,
        chat_pins.c.revision,
        chat_pins.c.is_archived,
        chat_pins.c.error,
        chats.c.parent_id,
    )
    .join(chats, chats.c.id == chat_pins.c.chat_id)
    .order_by(chat_pins.c.chat_id)
    .with_for_update(of=chat_pins, key_share=True)
)
LOCK_ONE_PIN: Final = LOCK_PINS.where(
    chat_pins.c.chat_id == bindparam("its_chat_id", type_=chat_pins.c.chat_id.type)
)


async def lock_pins(
    transaction: Transaction, condition: ColumnElement[bool]
) -> tuple[LockedPin, ...]:
    """Take the pins that meet the condition on `chat_pins`, by id, for this transaction alone.

    Each is read anew after any wait, and dropped if it no longer meets the condition.
    """
    rows = (await transaction.connection.execute(LOCK_PINS.where(condition))).all()
    return tuple(LockedPin(*row) for row in rows)


async def lock_pin(transaction: Transaction, chat_id: ChatId) -> LockedPin:
    """Take one chat's pin; raises NotFound if the chat was deleted in the meantime.

    And StorageDamaged if only the pin is gone.
    """
    row = (await transaction.connection.execute(LOCK_ONE_PIN, {"its_chat_id": chat_id})).first()
    if row is None:
        await refuse_missing(transaction.connection, None, chat_id)
    return LockedPin(*row)


def of_chat(chat_id: ChatId) -> ColumnElement[bool]:
    """Choose one chat's pin."""
    return chat_pins.c.chat_id == chat_id


def of_agent(agent_id: AgentId) -> ColumnElement[bool]:
    """Choose every pin that is bound to the agent."""
    return chat_pins.c.agent_id == agent_id


def of_owner(workspace_id: WorkspaceId, owner_id: UserId) -> ColumnElement[bool]:
    """Choose the pinned, unarchived chats of a user in a workspace that follow no parent."""
    return (
        (chat_pins.c.workspace_id == workspace_id)
        & chat_pins.c.snapshot_id.is_not(None)
        & (chats.c.owner_id == owner_id)
        & chats.c.parent_id.is_(None)
        & IS_UNARCHIVED
    )


LOCK_WAITING_PINS: Final = LOCK_PINS.where(
    or_(
        (chat_pins.c.agent_id == bindparam("its_agent_id", type_=chat_pins.c.agent_id.type))
        & chat_pins.c.snapshot_id.is_(None)
        & IS_UNARCHIVED,
        (
            chat_pins.c.workspace_id
            == bindparam("its_workspace_id", type_=chat_pins.c.workspace_id.type)
        )
        & chat_pins.c.agent_id.is_(None)
        & IS_UNARCHIVED,
    )
)


async def lock_waiting_pins(
    transaction: Transaction, workspace_id: WorkspaceId, agent_id: AgentId
) -> tuple[LockedPin, ...]:
    """Take the pins that wait for this agent's head.

    Those are its unpinned, unarchived chats and the workspace's chats without an agent. Two partial
    indexes hold exactly them: pinned chats are not looked at.
    """
    asked = {"its_workspace_id": workspace_id, "its_agent_id": agent_id}
    rows = (await transaction.connection.execute(LOCK_WAITING_PINS, asked)).all()
    return tuple(LockedPin(*row) for row in rows)


async def move_pins(
    transaction: Transaction,
    chat_ids: Sequence[ChatId],
    target: SnapshotRef | None,
    move: Move,
) -> None:
    """Pin every one of these chats to the target and bind it to the move's agent.

    The pins are locked and none of them is the target yet. Each revision rises by one, with one
    history row, and an error of an earlier attempt is cleared.
    """
    values = {
        **_chosen(transaction.engine, chat_ids),
        "pinned_at": transaction.now if target else None,
        **{
            f"its_{name}": value
            for name, value in _shared_values(transaction, target, move).items()
        },
    }
    for statement in _moving(transaction.engine, is_one=len(chat_ids) == 1):
        await transaction.connection.execute(statement, values)


def history_values(
    transaction: Transaction,
    seen: LockedPin,
    before: SnapshotRef | None,
    target: SnapshotRef | None,
    move: Move,
) -> dict[str, Any]:
    """Return the history row of one move from what was seen."""
    return {
        "chat_id": seen.chat_id,
        "revision": seen.revision + 1,
        "from_digest": before.digest if before else None,
        "from_id": before.id if before else None,
        **_shared_values(transaction, target, move),
    }


async def bind_pins(
    transaction: Transaction, chat_ids: Sequence[ChatId], agent_id: AgentId
) -> None:
    """Bind the chats to the agent; their pins, revisions and histories stay as they are."""
    await transaction.connection.execute(
        update(chat_pins)
        .where(dialect_of(transaction.connection).is_one_of(chat_pins.c.chat_id, chat_ids))
        .values(agent_id=agent_id, error=None)
    )


async def set_pin_error(
    transaction: Transaction, chat_ids: Sequence[ChatId], error: str | None
) -> None:
    """Say in the chats' contexts that the pin step failed, or that it no longer does."""
    await transaction.connection.execute(
        update(chat_pins)
        .where(dialect_of(transaction.connection).is_one_of(chat_pins.c.chat_id, chat_ids))
        .values(error=error)
    )


def _chosen(engine: EngineKind, chat_ids: Sequence[ChatId]) -> dict[str, Any]:
    if len(chat_ids) == 1:
        return {"moved_chat_id": chat_ids[0]}
    return {"moved_chat_ids": dialect_for(engine).list_parameter(chat_ids)}


@lru_cache(maxsize=2 * len(EngineKind))
def _moving(engine: EngineKind, *, is_one: bool) -> tuple[Insert | Update, ...]:
    """Return what moves pins and writes their history: one statement where one can do both.

    For one pin it is another than for several: of a list PostgreSQL makes a plan at every run.
    """
    chat_id = chat_pins.c.chat_id
    chosen = (
        chat_id == bindparam("moved_chat_id", type_=chat_id.type)
        if is_one
        else dialect_for(engine).is_listed(chat_id, "moved_chat_ids")
    )
    move = (
        update(chat_pins)
        .where(chosen)
        .values(
            agent_id=_shared("agent_id"),
            snapshot_id=_shared("to_id"),
            revision=chat_pins.c.revision + 1,
            pinned_at=bindparam("pinned_at", type_=chat_pins.c.pinned_at.type),
            error=None,
        )
    )
    history = _history(chosen)
    if engine is EngineKind.SQLITE:
        return history, move
    # Both see the pins as they were before.
    return (history.add_cte(move.cte("moved")),)


def _history(chosen: ColumnElement[bool]) -> Insert:
    source = (
        select(
            chat_pins.c.chat_id,
            (chat_pins.c.revision + 1).label("revision"),
            snapshots.c.digest.label("from_digest"),
            chat_pins.c.snapshot_id.label("from_id"),
            *(_shared(name).label(name) for name in SHARED),
        )
        .select_from(chat_pins.outerjoin(snapshots, snapshots.c.id == chat_pins.c.snapshot_id))
        .where(chosen)
    )
    names = ["chat_id", "revision", "from_digest", "from_id", *SHARED]
    return insert(chat_pin_history).from_select(names, source)


def _shared(name: str) -> BindParameter[Any]:
    return bindparam(f"its_{name}", type_=chat_pin_history.c[name].type)


def written_inputs(inputs: Mapping[str, Any]) -> str:
    """Return inputs as history keeps them: the same inputs, the same text."""
    return json.dumps(dict(inputs), sort_keys=True, separators=(",", ":"))


def _shared_values(
    transaction: Transaction, target: SnapshotRef | None, move: Move
) -> dict[str, Any]:
    return {
        "verb": move.verb.value,
        "inputs": written_inputs(move.inputs),
        "to_digest": target.digest if target else None,
        "to_id": target.id if target else None,
        "agent_id": move.agent_id,
        "actor": move.actor.name,
        "event_id": move.event_id,
        "at": transaction.now,
    }


__all__ = [
    "POLICY_ERROR",
    "LockedPin",
    "Move",
    "PinVerb",
    "bind_pins",
    "history_values",
    "lock_pin",
    "lock_pins",
    "lock_waiting_pins",
    "move_pins",
    "of_agent",
    "of_chat",
    "of_owner",
    "set_pin_error",
    "written_inputs",
]
