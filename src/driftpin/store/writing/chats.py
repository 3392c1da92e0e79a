"""Rows of chats, their shares, and what is said in them. Pins have their own module."""

import json
from typing import Any, Final

from sqlalchemy import case, delete, insert, literal, select, update

from driftpin.chat.messages import Message, message_from_json, message_to_json
from driftpin.identity import AgentId, ChatId, MessageId, UserId
from driftpin.store.database import Transaction
from driftpin.store.reading.columns import chat_from
from driftpin.store.tables import chat_pins, chat_shares, chats, messages, turns, users
from driftpin.store.values import Access, ChatRow, MessageRow, TurnRow, TurnState
from driftpin.store.writing.together import inserting, next_number, row_parameters

NOT_COPIED: Final = frozenset(
    {"chat_id", "pin_revision", "holder", "lease_until", "held_revision", "replaced_by"}
)
# Stands for the revision of another chat's pin: a copied turn ran on a pin, though not of this one.
REVISION_ELSEWHERE: Final = 0
_ADD_MESSAGE: Final = (
    inserting(messages, "id", "chat_id", "turn", "role", "content", "created_at")
    .values(position=next_number(messages.c.position, messages.c.chat_id))
    .returning(messages.c.position)
)
_ADD_TURN: Final = (
    inserting(turns, "chat_id", "state", "fence", "attempt", "created_at")
    .values(number=next_number(turns.c.number, turns.c.chat_id))
    .returning(turns.c.number)
)


async def update_chat_row(transaction: Transaction, chat_id: ChatId, **values: Any) -> ChatRow:
    """Set columns of a chat and return it; nothing of its pin is in them."""
    statement = update(chats).where(chats.c.id == chat_id).values(**values).returning(chats)
    return chat_from((await transaction.connection.execute(statement)).one())


async def set_archived(transaction: Transaction, chat_id: ChatId, *, is_archived: bool) -> None:
    """Tell the pin that its chat receives nothing, or that it does again."""
    await transaction.connection.execute(
        update(chat_pins).where(chat_pins.c.chat_id == chat_id).values(is_archived=is_archived)
    )


async def delete_chat_row(transaction: Transaction, chat_id: ChatId) -> None:
    """Remove a chat with everything of it; sub-chats and forks stay."""
    await transaction.connection.execute(delete(chats).where(chats.c.id == chat_id))


async def put_share(
    transaction: Transaction, chat_id: ChatId, user_id: UserId, access: Access
) -> None:
    """Give the user exactly this access; the chat must be locked."""
    await remove_share(transaction, chat_id, user_id)
    await transaction.connection.execute(
        insert(chat_shares).values(
            chat_id=chat_id,
            user_id=user_id,
            access=access.value,
            created_at=transaction.now,
        )
    )


async def remove_share(transaction: Transaction, chat_id: ChatId, user_id: UserId) -> bool:
    """Take the user's access away; return whether there was any."""
    gone = await transaction.connection.execute(
        delete(chat_shares).where(
            chat_shares.c.chat_id == chat_id, chat_shares.c.user_id == user_id
        )
    )
    return gone.rowcount > 0


async def insert_message(
    transaction: Transaction, chat_id: ChatId, turn: int, message: Message
) -> MessageRow:
    """Add a message behind the chat's last one; the chat must be locked."""
    content = dict(message_to_json(message))
    message_id = MessageId(transaction.ids.fresh(transaction.now))
    row = {
        "id": message_id,
        "chat_id": chat_id,
        "turn": turn,
        "role": message.role.value,
        "content": json.dumps(content),
        "created_at": transaction.now,
    }
    added = await transaction.connection.execute(_ADD_MESSAGE, row_parameters(messages, row))
    return MessageRow(
        id=message_id,
        chat_id=chat_id,
        position=added.scalar_one(),
        turn=turn,
        role=message.role.value,
        content=content,
        created_at=transaction.now,
    )


async def get_question(transaction: Transaction, chat_id: ChatId, turn: int) -> Message:
    """Return the message that a turn is to answer, which is its first."""
    statement = (
        select(messages.c.content)
        .where(messages.c.chat_id == chat_id, messages.c.turn == turn)
        .order_by(messages.c.position)
        .limit(1)
    )
    content: str = (await transaction.connection.execute(statement)).scalar_one()
    return message_from_json(json.loads(content))


async def copy_turns(
    transaction: Transaction, origin_id: ChatId, chat_id: ChatId, up_to: int
) -> None:
    """Give a new chat the turns and messages of another, up to and with turn `up_to`.

    What a turn ran on stays with it; revisions belong to the other chat, so only that there was one
    is kept: a turn whose snapshot has expired is not taken for one that had no pin.
    """
    copied = [name for name in turns.c.keys() if name not in NOT_COPIED]  # noqa: SIM118 a collection of columns, not a dict
    await transaction.connection.execute(
        insert(turns).from_select(
            ["chat_id", "pin_revision", "replaced_by", *copied],
            select(
                literal(chat_id, turns.c.chat_id.type),
                case((turns.c.pin_revision.is_not(None), REVISION_ELSEWHERE)),
                # What was replaced only after `up_to` was part of the conversation then.
                case((turns.c.replaced_by <= up_to, turns.c.replaced_by)),
                *(turns.c[name] for name in copied),
            ).where(turns.c.chat_id == origin_id, turns.c.number <= up_to),
        )
    )
    statement = select(messages).where(messages.c.chat_id == origin_id, messages.c.turn <= up_to)
    rows = (await transaction.connection.execute(statement)).mappings().all()
    fresh = [
        {**row, "id": transaction.ids.fresh(transaction.now), "chat_id": chat_id} for row in rows
    ]
    if fresh:
        await transaction.connection.execute(insert(messages), fresh)


async def find_turn(
    transaction: Transaction, chat_id: ChatId, number: int
) -> tuple[TurnState, int | None, int | None] | None:
    """Return a turn's state, the revision of the pin it ran on, and that snapshot's id."""
    statement = select(turns.c.state, turns.c.pin_revision, turns.c.snapshot_id).where(
        turns.c.chat_id == chat_id, turns.c.number == number
    )
    row = (await transaction.connection.execute(statement)).first()
    return None if row is None else (TurnState(row.state), row.pin_revision, row.snapshot_id)


async def find_binding(
    transaction: Transaction, chat_id: ChatId
) -> tuple[AgentId | None, int | None]:
    """Return the agent that a chat is bound to, and the id of the snapshot it has pinned."""
    statement = select(chat_pins.c.agent_id, chat_pins.c.snapshot_id).where(
        chat_pins.c.chat_id == chat_id
    )
    row = (await transaction.connection.execute(statement)).one()
    return row.agent_id, row.snapshot_id


async def user_exists(transaction: Transaction, user_id: UserId) -> bool:
    """Whether there is such a user."""
    statement = select(users.c.id).where(users.c.id == user_id)
    return (await transaction.connection.execute(statement)).first() is not None


async def insert_turn(transaction: Transaction, chat_id: ChatId) -> TurnRow:
    """Add a waiting turn behind the chat's last one; the chat must be locked."""
    state = TurnState.WAITING
    row = {"chat_id": chat_id, "state": state.value, "created_at": transaction.now}
    written = row_parameters(turns, {**row, "fence": 0, "attempt": 0})
    number = (await transaction.connection.execute(_ADD_TURN, written)).scalar_one()
    return TurnRow(
        chat_id=chat_id,
        number=number,
        state=state,
        holder=None,
        fence=0,
        lease_until=None,
        attempt=0,
        error=None,
        pin_revision=None,
        snapshot_digest=None,
        created_at=transaction.now,
        finished_at=None,
    )


__all__ = [
    "copy_turns",
    "delete_chat_row",
    "find_binding",
    "find_turn",
    "get_question",
    "insert_message",
    "insert_turn",
    "put_share",
    "remove_share",
    "set_archived",
    "update_chat_row",
    "user_exists",
]
