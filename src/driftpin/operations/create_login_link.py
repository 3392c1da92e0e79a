"""Give a user a code that signs a browser in once."""

from datetime import datetime, timedelta

from driftpin import limits
from driftpin.credentials import TokenKind, mint_token
from driftpin.identity import Actor
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.accounts import insert_token
from driftpin.store.writing.sessions import drop_old_sessions


async def create_login_link(store: Store, actor: Actor) -> tuple[str, datetime]:
    """Return a fresh code for the caller, and until when it may be used."""
    user_id = require_user(actor)
    secret, credential = mint_token(TokenKind.LINK)

    async def operation(transaction: Transaction) -> datetime:
        expires_at = transaction.now + timedelta(seconds=limits.LOGIN_LINK_LIFETIME_S)
        await drop_old_sessions(transaction, user_id, kept_max=limits.SESSIONS_PER_USER_MAX)
        await insert_token(transaction, credential, user_id, label="link", expires_at=expires_at)
        return expires_at

    return secret, await store.database.write(operation)


__all__ = ["create_login_link"]
