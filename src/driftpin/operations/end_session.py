"""Sign out of one session."""

from driftpin.identity import Actor, Digest
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.sessions import drop_session


async def end_session(store: Store, actor: Actor, secret_digest: Digest) -> None:
    """End a session of the caller; ending it again changes nothing."""
    user_id = require_user(actor)

    async def operation(transaction: Transaction) -> None:
        await drop_session(transaction, user_id, secret_digest)

    await store.database.write(operation)


__all__ = ["end_session"]
