"""Which pins have holes: found by the few snapshots that have some, not by looking at all pins."""

from sqlalchemy import ColumnElement, exists, literal, or_, select

from driftpin.context.holds import Holds
from driftpin.identity import AgentId, ChatId, WorkspaceId
from driftpin.store.database import Transaction
from driftpin.store.tables import chat_holds, chat_pins, chats, snapshots
from driftpin.store.writing.pins import of_chat


async def find_pinned_holes(
    transaction: Transaction, workspace_id: WorkspaceId, agent_id: AgentId, only: ChatId | None
) -> set[int]:
    """Return the snapshots with holes that unarchived chats of the agent are pinned to."""
    has_holes = snapshots.c.has_holes == literal(True, snapshots.c.has_holes.type)  # noqa: FBT003 a value of the column
    is_pinned = exists().where(
        chat_pins.c.snapshot_id == snapshots.c.id,
        chats.c.id == chat_pins.c.chat_id,
        holding(_may_move(agent_id), only),
    )
    statement = select(snapshots.c.id).where(
        snapshots.c.workspace_id == workspace_id, has_holes, is_pinned
    )
    return set((await transaction.connection.execute(statement)).scalars())


def of_pinned(snapshot_id: int, agent_id: AgentId, filling: Holds) -> ColumnElement[bool]:
    """Choose the pins of an agent's chats on one snapshot that a completion may move.

    A chat that holds off any of what would be filled in stays as it is.
    """
    holds_it = [
        (chat_holds.c.source == source) & (chat_holds.c.digest == digest)
        for source, digest in filling.items()
    ]
    is_held = exists().where(chat_holds.c.chat_id == chat_pins.c.chat_id, or_(*holds_it))
    return (chat_pins.c.snapshot_id == snapshot_id) & _may_move(agent_id) & ~is_held


def holding(condition: ColumnElement[bool], only: ChatId | None) -> ColumnElement[bool]:
    """Return the condition, for one chat alone if one is named."""
    return condition if only is None else condition & of_chat(only)


def _may_move(agent_id: AgentId) -> ColumnElement[bool]:
    return (
        (chat_pins.c.agent_id == agent_id)
        & (chat_pins.c.is_archived == literal(False, chat_pins.c.is_archived.type))  # noqa: FBT003 a value of the column
        & chats.c.parent_id.is_(None)
    )


__all__ = ["find_pinned_holes", "holding", "of_pinned"]
