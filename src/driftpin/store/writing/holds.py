"""Writing holds. The pin of each chat is locked, so that holds and pin change together."""

from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, delete, insert, select

from driftpin.context.holds import Holds
from driftpin.identity import Actor, ChatId
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.tables import chat_holds


async def replace_holds(
    transaction: Transaction, actor: Actor, chat_id: ChatId, before: Holds, after: Holds
) -> None:
    """Have a chat that holds `before` hold `after`; what stays keeps who held it, and since when.

    Nothing is written where the two are equal.
    """
    stale = {s for s, digest in before.items() if s not in after or after[s] != digest}
    if stale:
        await drop_holds(transaction, [chat_id], stale)
    new = {s: digest for s, digest in after.items() if s not in before or s in stale}
    rows = [
        {
            "chat_id": chat_id,
            "source": source,
            "digest": digest,
            "held_by": actor.name,
            "held_at": transaction.now,
        }
        for source, digest in sorted(new.items())
    ]
    await dialect_of(transaction.connection).insert_rows(transaction.connection, chat_holds, rows)


async def drop_holds(
    transaction: Transaction, chat_ids: Sequence[ChatId], sources: Collection[str] | None = None
) -> None:
    """Let go of what the chats hold, or of these sources."""
    dialect = dialect_of(transaction.connection)
    chosen = dialect.is_one_of(chat_holds.c.chat_id, chat_ids)
    if sources is not None:
        chosen &= dialect.is_one_of(chat_holds.c.source, sorted(sources))
    await transaction.connection.execute(delete(chat_holds).where(chosen))


async def copy_holds(transaction: Transaction, origin: ChatId, target: ChatId) -> None:
    """Have a new chat hold what its origin holds."""
    names = [column.name for column in chat_holds.c if column.name != "chat_id"]
    held = select(
        bindparam("target_id", target, type_=chat_holds.c.chat_id.type),
        *(chat_holds.c[name] for name in names),
    ).where(chat_holds.c.chat_id == origin)
    await transaction.connection.execute(insert(chat_holds).from_select(["chat_id", *names], held))


__all__ = ["copy_holds", "drop_holds", "replace_holds"]
