"""The policies that are in force for a chat: what is set, and whether it was rolled back since."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, ScalarSelect, Select, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.identity import ChatId
from driftpin.store.dialects import dialect_for, dialect_of
from driftpin.store.engines import EngineKind
from driftpin.store.reading.columns import policy_set_from
from driftpin.store.tables import chat_pin_history, chats, workspaces
from driftpin.store.values import Policies

ROLLED_BACK: Final = "roll_back"
# Written out, since the partial index is found by these words only.
PERSONS_VERBS: Final = [literal(verb, literal_execute=True) for verb in ("refresh", ROLLED_BACK)]


def policy_columns() -> tuple[ColumnElement[Any], ...]:
    """Return what is selected of `chats` and their `workspaces` to know a chat's policies."""
    return (
        chats.c.policy.label("chat_policy"),
        chats.c.kind_policies.label("chat_kind_policies"),
        workspaces.c.policy.label("workspace_policy"),
        workspaces.c.kind_policies.label("workspace_kind_policies"),
        chats.c.parent_id.label("parent_chat_id"),
        _last_verb_of_a_person().label("persons_verb"),
    )


def policies_from(row: Row[Any]) -> Policies:
    """Return the policies of a row that selected `policy_columns`."""
    return Policies(
        chat=policy_set_from(row.chat_policy, row.chat_kind_policies),
        workspace=policy_set_from(row.workspace_policy, row.workspace_kind_policies),
        is_rolled_back=row.persons_verb == ROLLED_BACK,
        is_sub_chat=row.parent_chat_id is not None,
    )


async def read_policies(connection: AsyncConnection, chat_id: ChatId) -> Policies:
    """Return the policies of a chat that exists and whose sight was granted before."""
    return (await list_policies(connection, [chat_id]))[chat_id]


async def list_policies(
    connection: AsyncConnection, chat_ids: Sequence[ChatId]
) -> dict[ChatId, Policies]:
    """Return the policies of chats whose sight was granted before."""
    asked = {"its_chat_ids": dialect_of(connection).list_parameter(chat_ids)}
    statement = _policies_of(EngineKind(connection.dialect.name))
    rows = (await connection.execute(statement, asked)).all()
    return {row.chat_id: policies_from(row) for row in rows}


@lru_cache(maxsize=len(EngineKind))
def _policies_of(engine: EngineKind) -> Select[Any]:
    return (
        select(chats.c.id.label("chat_id"), *policy_columns())
        .join(workspaces, workspaces.c.id == chats.c.workspace_id)
        .where(dialect_for(engine).is_listed(chats.c.id, "its_chat_ids"))
    )


def _last_verb_of_a_person() -> ScalarSelect[str]:
    """Choose `roll_back` for a chat that was rolled back and not refreshed since."""
    return (
        select(chat_pin_history.c.verb)
        .where(chat_pin_history.c.chat_id == chats.c.id, chat_pin_history.c.verb.in_(PERSONS_VERBS))
        .order_by(chat_pin_history.c.revision.desc())
        .limit(1)
        .correlate(chats)
        .scalar_subquery()
    )


__all__ = ["list_policies", "policies_from", "policy_columns", "read_policies"]
