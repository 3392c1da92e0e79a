"""Add a session inside the operation of whoever found that it may begin."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from driftpin import limits
from driftpin.credentials import TokenKind, mint_token
from driftpin.identity import user_actor
from driftpin.store.database import Transaction
from driftpin.store.values import UserRow
from driftpin.store.writing.accounts import insert_token
from driftpin.store.writing.audit import record_audit
from driftpin.store.writing.sessions import drop_old_sessions


@dataclass(frozen=True, slots=True)
class Session:
    """A session that began, with its secret, which is kept nowhere."""

    user: UserRow
    secret: str
    expires_at: datetime


async def begin_session(transaction: Transaction, user: UserRow, by: str) -> Session:
    """Add a session of the user; the oldest one makes place where there are too many."""
    secret, credential = mint_token(TokenKind.SESSION)
    expires_at = transaction.now + timedelta(seconds=limits.SESSION_LIFETIME_S)
    await drop_old_sessions(transaction, user.id, kept_max=limits.SESSIONS_PER_USER_MAX - 1)
    await insert_token(transaction, credential, user.id, label=by, expires_at=expires_at)
    actor = user_actor(user.id, is_administrator=user.is_administrator)
    await record_audit(transaction, actor, "sign_in", f"user:{user.id}")
    return Session(user, secret, expires_at)


__all__ = ["Session", "begin_session"]
