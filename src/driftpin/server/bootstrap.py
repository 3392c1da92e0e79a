"""The first start: one administrator, so that there is somebody to sign in as."""

from typing import Final, NamedTuple

from driftpin.credentials import read_token
from driftpin.errors import Conflict, Gone, Unauthenticated
from driftpin.identity import NOBODY, WORKER, UserId
from driftpin.operations.create_user import create_user
from driftpin.operations.create_user_token import create_user_token
from driftpin.store.store import Store

LOCAL_USER: Final = "local"
PAGE: Final = 100


class LocalIdentity(NamedTuple):
    """Whom the machine's owner is signed in as."""

    user_id: UserId
    token: str


async def ensure_first_user(store: Store, token: str | None) -> LocalIdentity:
    """Return the local administrator with a token: `token` while it is good, else a new one.

    The user is made when the database has none. Raises Conflict (`no_local_user`) where there are
    users and the local one is not among them: nobody signs in as somebody else by starting a
    server. Whoever calls keeps the token in a file of mode 0600.
    """
    kept = await _find_kept(store, token)
    if kept is not None:
        return kept
    user_id = await _local_user(store)
    _, secret = await create_user_token(store, WORKER, user_id, LOCAL_USER)
    return LocalIdentity(user_id, secret)


async def _find_kept(store: Store, token: str | None) -> LocalIdentity | None:
    if token is None:
        return None
    try:
        actor = await store.resolve_token(NOBODY, read_token(token).secret_digest)
    except (Gone, Unauthenticated):
        return None
    return None if actor.user_id is None else LocalIdentity(actor.user_id, token)


async def _local_user(store: Store) -> UserId:
    users = (await store.list_users(WORKER, limit=PAGE)).items
    local = next((user for user in users if user.name == LOCAL_USER), None)
    if local is not None:
        return local.id
    if users:
        raise Conflict(
            "This database has users, and none of them is the local one; sign in with a token.",
            code="no_local_user",
        )
    return (await create_user(store, WORKER, LOCAL_USER, is_administrator=True)).id


__all__ = ["LOCAL_USER", "LocalIdentity", "ensure_first_user"]
