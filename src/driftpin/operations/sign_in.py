"""Begin a browser's session by name and password."""

from driftpin.errors import Unauthenticated
from driftpin.identity import WORKER, Actor
from driftpin.operations.begin_session import Session, begin_session
from driftpin.passwords import Passwords
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.passwords import find_password_hash, keep_password


async def sign_in(
    store: Store, actor: Actor, passwords: Passwords, name: str, password: str
) -> Session:
    """Return a fresh session of the user with this name and password.

    Raises Unauthenticated (`wrong_password`) in the same words, after the same work, for a name
    that nobody has, a user without a password, and a password that is wrong.
    """
    del actor  # Whoever knows both is somebody else from here on.
    found = await store.find_password(WORKER, name)
    kept = None if found is None else found.password_hash
    is_right = await passwords.is_right(kept, password)
    if found is None or kept is None or not is_right:
        raise wrong_sign_in()
    user = found.user
    renewed = await passwords.hash(password) if passwords.is_outdated(kept) else None

    async def operation(transaction: Transaction) -> Session:
        if await find_password_hash(transaction, user.id) != kept:
            # It was changed, and all sessions with it, while this one was being looked at.
            raise wrong_sign_in()
        if renewed is not None:
            await keep_password(transaction, user.id, renewed)
        return await begin_session(transaction, user, "password")

    return await store.database.write(operation)


def wrong_sign_in() -> Unauthenticated:
    """Return the refusal of whoever does not know both name and password."""
    return Unauthenticated("Name or password is wrong.", code="wrong_password")


__all__ = ["sign_in", "wrong_sign_in"]
