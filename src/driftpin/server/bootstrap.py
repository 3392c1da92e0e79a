"""The first start on one's own machine: one local user, its token in a file only it can read."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from driftpin.credentials import read_token
from driftpin.errors import Conflict, Unauthenticated
from driftpin.identity import NOBODY, WORKER, UserId
from driftpin.operations.create_user import create_user
from driftpin.operations.create_user_token import create_user_token
from driftpin.store.store import Store

TOKEN_FILE: Final = "token"  # noqa: S105 a file's name
LOCAL_USER: Final = "local"
LABEL: Final = "local"
PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class LocalIdentity:
    """Whom the machine's owner is signed in as."""

    user_id: UserId
    token: str


async def bootstrap_local(store: Store, state_dir: Path) -> LocalIdentity:
    """Return the local administrator, created if there is no user yet.

    The token is kept in `state_dir` in a file of mode 0600, and used again while it is good; else
    a new one takes its place. Raises Conflict (`no_local_user`) where other people have users, but
    no local one was ever made.
    """
    kept = await _find_kept(store, state_dir / TOKEN_FILE)
    if kept is not None:
        return kept
    user_id = await _local_user(store)
    _, token = await create_user_token(store, WORKER, user_id, LABEL)
    _keep(state_dir / TOKEN_FILE, token)
    return LocalIdentity(user_id, token)


async def _find_kept(store: Store, path: Path) -> LocalIdentity | None:
    try:
        token = path.read_text(encoding="ascii")  # noqa: ASYNC240 once, at start
        actor = await store.resolve_token(NOBODY, read_token(token).secret_digest)
    except (FileNotFoundError, UnicodeDecodeError, Unauthenticated):
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


def _keep(path: Path, token: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token)
    partial.replace(path)


__all__ = ["LOCAL_USER", "TOKEN_FILE", "LocalIdentity", "bootstrap_local"]
