"""Give a user a token to sign in with."""

from datetime import datetime

from driftpin.credentials import TokenKind, mint_token
from driftpin.errors import Rejected
from driftpin.identity import Actor, ActorKind, UserId
from driftpin.operations.names import accept_title
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.reading.accounts import get_user
from driftpin.store.store import Store
from driftpin.store.values import TokenRow
from driftpin.store.writing.accounts import insert_token
from driftpin.store.writing.audit import record_audit


async def create_user_token(
    store: Store, actor: Actor, user_id: UserId, label: str, expires_at: datetime | None = None
) -> tuple[TokenRow, str]:
    """Return a fresh token of the user with its secret, which is kept nowhere.

    For the user, for administrators, and for the server itself on its first start. Raises
    Rejected (`expired`) for an end that has passed.
    """
    if actor.kind is not ActorKind.WORKER:
        require_user(actor)
    accepted = accept_title(label, "label")
    if expires_at is not None and expires_at <= store.database.clock.now():
        raise Rejected("The token would have expired already.", code="expired", field="expires_at")
    secret, credential = mint_token(TokenKind.USER)

    async def operation(transaction: Transaction) -> TokenRow:
        user = await get_user(transaction.connection, actor, user_id)
        if actor.user_id != user.id:
            await record_audit(transaction, actor, "create_user_token", f"user:{user.id}")
        return await insert_token(
            transaction, credential, user.id, label=accepted, expires_at=expires_at
        )

    return await store.database.write(operation), secret


__all__ = ["create_user_token"]
