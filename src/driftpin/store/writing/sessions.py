"""Rows of browsers' sessions and of the codes that begin them: tokens of kinds of their own."""

from sqlalchemy import ColumnElement, and_, delete, or_, select, update

from driftpin.credentials import TokenKind
from driftpin.identity import Digest, UserId
from driftpin.store.database import Transaction
from driftpin.store.tables import tokens

OF_BROWSERS = (TokenKind.SESSION.value, TokenKind.LINK.value)


async def drop_old_sessions(transaction: Transaction, user_id: UserId, *, kept_max: int) -> None:
    """Remove what is over of the user's sessions and codes, and all but the newest `kept_max`."""
    newest = (
        select(tokens.c.id)
        .where(_of_browsers(user_id))
        .order_by(tokens.c.created_at.desc(), tokens.c.id.desc())
        .limit(kept_max)
    )
    is_over = or_(tokens.c.expires_at <= transaction.now, tokens.c.revoked_at.is_not(None))
    await transaction.connection.execute(
        delete(tokens).where(_of_browsers(user_id), or_(is_over, tokens.c.id.not_in(newest)))
    )


async def drop_sessions(transaction: Transaction, user_id: UserId, kept: Digest | None) -> None:
    """Remove the user's sessions and codes, but for the one with the digest `kept`."""
    statement = delete(tokens).where(_of_browsers(user_id))
    if kept is not None:
        statement = statement.where(tokens.c.secret_digest != kept)
    await transaction.connection.execute(statement)


async def drop_session(transaction: Transaction, user_id: UserId, secret_digest: Digest) -> None:
    """Remove one session of the user, if there is such."""
    await transaction.connection.execute(
        delete(tokens).where(_of_browsers(user_id), tokens.c.secret_digest == secret_digest)
    )


async def use_up_link(transaction: Transaction, secret_digest: Digest) -> UserId | None:
    """Revoke a code that is still good and return whom it is for; None for any other."""
    statement = (
        update(tokens)
        .where(
            tokens.c.secret_digest == secret_digest,
            tokens.c.kind == TokenKind.LINK.value,
            tokens.c.revoked_at.is_(None),
            tokens.c.expires_at > transaction.now,
        )
        .values(revoked_at=transaction.now)
        .returning(tokens.c.user_id)
    )
    found: UserId | None = (await transaction.connection.execute(statement)).scalar_one_or_none()
    return found


def _of_browsers(user_id: UserId) -> ColumnElement[bool]:
    return and_(tokens.c.user_id == user_id, tokens.c.kind.in_(OF_BROWSERS))


__all__ = ["drop_old_sessions", "drop_session", "drop_sessions", "use_up_link"]
