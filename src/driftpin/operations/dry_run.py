"""Carry out an operation to see what would come of it, and leave nothing of it behind.

It is the operation itself that runs, with its locks and its refusals, so what is foreseen is what
would have happened at that moment.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from driftpin.store.database import Transaction

Outcome = TypeVar("Outcome")


async def foresee(
    transaction: Transaction, operation: Callable[[Transaction], Awaitable[Outcome]]
) -> Outcome:
    """Return what the operation would return; whatever it writes is taken back.

    What was written before, such as a row of the audit, stays and commits.
    """
    told, witness = transaction.has_events, transaction.witness
    savepoint = await transaction.connection.begin_nested()
    try:
        return await operation(transaction)
    finally:
        await savepoint.rollback()
        transaction.has_events, transaction.witness = told, witness


async def carry_out(
    transaction: Transaction,
    operation: Callable[[Transaction], Awaitable[Outcome]],
    *,
    dry_run: bool,
) -> Outcome:
    """Return what the operation returns; with `dry_run` whatever it writes is taken back."""
    return await (foresee(transaction, operation) if dry_run else operation(transaction))


__all__ = ["carry_out", "foresee"]
