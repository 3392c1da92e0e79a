"""Begin a browser's session by a code that was made for it."""

from driftpin.errors import Unauthenticated
from driftpin.identity import WORKER, Actor, Digest
from driftpin.operations.begin_session import Session, begin_session
from driftpin.store.database import Transaction
from driftpin.store.reading.accounts import get_user
from driftpin.store.store import Store
from driftpin.store.writing.sessions import use_up_link


async def use_login_link(store: Store, actor: Actor, secret_digest: Digest) -> Session:
    """Return a fresh session of the user whom the code is for; the code is good no more.

    Raises Unauthenticated for one that was used, has expired, or never was.
    """
    del actor  # Whoever holds the code is somebody else from here on.

    async def operation(transaction: Transaction) -> Session:
        user_id = await use_up_link(transaction, secret_digest)
        if user_id is None:
            raise Unauthenticated("This link was used, or is too old; make another one.")
        user = await get_user(transaction.connection, WORKER, user_id)
        return await begin_session(transaction, user, "link")

    return await store.database.write(operation)


__all__ = ["use_login_link"]
