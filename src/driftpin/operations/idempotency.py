"""Carry a creating call out once, however often it is sent.

The key is claimed, the operation runs, and the answer is kept, all in the operation's own
transaction: a crash at any point leaves either all of it or nothing. A second call with the same
key waits for the first one. Not for calls whose answer holds a secret, since answers are stored.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from driftpin.errors import Rejected
from driftpin.identity import Actor, Digest
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.idempotency import KeyedRequest, claim_key, keep_answer

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, and whether it was answered before."""

    response: str
    is_replay: bool


class _AlreadyAnswered(Exception):
    def __init__(self, response: str) -> None:
        super().__init__()
        self.response = response


async def run_once(
    store: Store,
    actor: Actor,
    *,
    key: str,
    request_digest: Digest,
    perform: Callable[[Store], Awaitable[Outcome]],
    respond: Callable[[Outcome], str],
) -> Answer:
    """Return the answer to this call, or the one that the same call got before.

    `perform` runs one operation on the store that it is given. `request_digest` is over method,
    path and body. Raises Rejected (`idempotency_mismatch`) if the key was used for another call. A
    refused operation leaves the key free.
    """
    request = KeyedRequest(require_user(actor), key, request_digest)

    async def around(
        transaction: Transaction, operation: Callable[[Transaction], Awaitable[Outcome]]
    ) -> Outcome:
        kept = await claim_key(transaction, request)
        if kept.request_digest != request_digest:
            raise Rejected(
                "This Idempotency-Key was used for another call.", code="idempotency_mismatch"
            )
        if kept.response:
            raise _AlreadyAnswered(kept.response)
        outcome = await operation(transaction)
        await keep_answer(transaction, request, respond(outcome))
        return outcome

    try:
        outcome = await perform(Store(store.database.joined_by(around)))
    except _AlreadyAnswered as before:
        return Answer(before.response, is_replay=True)
    return Answer(respond(outcome), is_replay=False)


__all__ = ["Answer", "run_once"]
