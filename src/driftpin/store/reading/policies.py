"""The policy that is in force for a chat."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from driftpin.identity import ChatId
from driftpin.store.tables import chat_pin_history, chats, workspaces

ROLLED_BACK: Final = "roll_back"
PERSONS_VERBS: Final = ("refresh", ROLLED_BACK)
PIN_POLICY: Final = "pin"


async def read_policy_in_force(connection: AsyncConnection, chat_id: ChatId) -> str:
    """Return the chat's policy, else its workspace's; `pin` from a roll-back to the next refresh.

    The chat exists and its sight was granted before.
    """
    newest = (
        select(chat_pin_history.c.verb)
        .where(chat_pin_history.c.chat_id == chat_id, chat_pin_history.c.verb.in_(PERSONS_VERBS))
        .order_by(chat_pin_history.c.revision.desc())
        .limit(1)
        .scalar_subquery()
    )
    statement = (
        select(chats.c.policy, workspaces.c.policy.label("inherited"), newest.label("newest"))
        .join(workspaces, workspaces.c.id == chats.c.workspace_id)
        .where(chats.c.id == chat_id)
    )
    row = (await connection.execute(statement)).one()
    if row.newest == ROLLED_BACK:
        return PIN_POLICY
    policy: str = row.policy or row.inherited
    return policy


__all__ = ["read_policy_in_force"]
