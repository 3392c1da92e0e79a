"""End a token at once."""

from driftpin.errors import NotFound
from driftpin.identity import Actor, TokenId
from driftpin.store.access import require_user, revocable_tokens
from driftpin.store.database import Transaction
from driftpin.store.reading.accounts import find_token
from driftpin.store.store import Store
from driftpin.store.writing.accounts import revoke_token_row
from driftpin.store.writing.audit import record_audit


async def revoke_token(store: Store, actor: Actor, token_id: TokenId) -> None:
    """Revoke a token of one's own, or of an agent of one's own; administrators revoke any.

    Revoking it again changes nothing.
    """
    require_user(actor)

    async def operation(transaction: Transaction) -> None:
        token = await find_token(transaction.connection, token_id, revocable_tokens(actor))
        if token is None:
            raise NotFound
        if actor.is_administrator and token.user_id != actor.user_id:
            await record_audit(transaction, actor, "revoke_token", f"token:{token_id}")
        await revoke_token_row(transaction, token_id)

    await store.database.write(operation)


__all__ = ["revoke_token"]
