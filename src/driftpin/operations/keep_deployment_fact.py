"""Keep a fact about the deployment."""

from driftpin.identity import Actor
from driftpin.store.access import require_worker
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.accounts import keep_fact_once


async def keep_deployment_fact(store: Store, actor: Actor, name: str, content: str) -> str:
    """Keep the fact unless it is kept already, and return what is kept; for workers only.

    Of several servers that start together all get the same answer.
    """
    require_worker(actor)

    async def operation(transaction: Transaction) -> str:
        return await keep_fact_once(transaction, name, content)

    return await store.database.write(operation)


__all__ = ["keep_deployment_fact"]
