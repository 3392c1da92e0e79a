"""Idempotency keys: what was answered to a creating call, kept in that call's transaction."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, select, update

from driftpin import limits
from driftpin.identity import Digest, UserId
from driftpin.store.database import Transaction
from driftpin.store.dialects import dialect_of
from driftpin.store.tables import idempotency_keys


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A call under a key: whose it is, the key, and a digest over all that the call asks for."""

    user_id: UserId
    name: str
    request_digest: Digest


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered to the request with this digest; empty while it is being carried out."""

    request_digest: Digest
    response: str


async def claim_key(transaction: Transaction, request: KeyedRequest) -> KeptAnswer:
    """Claim the key, or return what is kept under it, waiting for a call that is under way.

    Keys that are older than they are kept go first.
    """
    await _forget_old(transaction, request.user_id)
    row = {
        "user_id": request.user_id,
        "name": request.name,
        "request_digest": request.request_digest,
        "response": "",
        "created_at": transaction.now,
    }
    connection = transaction.connection
    await dialect_of(connection).insert_rows(connection, idempotency_keys, [row])
    statement = select(idempotency_keys.c.request_digest, idempotency_keys.c.response)
    found = (await connection.execute(statement.where(_is_key(request)))).one()
    return KeptAnswer(found.request_digest, found.response)


async def keep_answer(transaction: Transaction, request: KeyedRequest, response: str) -> None:
    """Keep the answer under the key that this transaction has claimed."""
    await transaction.connection.execute(
        update(idempotency_keys).where(_is_key(request)).values(response=response)
    )


async def _forget_old(transaction: Transaction, user_id: UserId) -> None:
    before = transaction.now - timedelta(seconds=limits.IDEMPOTENCY_KEPT_S)
    await transaction.connection.execute(
        delete(idempotency_keys).where(
            idempotency_keys.c.user_id == user_id, idempotency_keys.c.created_at < before
        )
    )


def _is_key(request: KeyedRequest) -> ColumnElement[bool]:
    return and_(
        idempotency_keys.c.user_id == request.user_id, idempotency_keys.c.name == request.name
    )


__all__ = ["KeptAnswer", "KeyedRequest", "claim_key", "keep_answer"]
