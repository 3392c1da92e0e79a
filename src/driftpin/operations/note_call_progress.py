"""Write down how far a call to an agent has come: whoever waits for it is on another replica."""

import json

from driftpin.chat.tools import Progress
from driftpin.identity import Actor, CallId
from driftpin.store.access import require_worker
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.agent_calls import set_progress


async def note_call_progress(
    store: Store, actor: Actor, call_id: CallId, progress: Progress
) -> None:
    """Keep it while the call is under way; the newest takes the place of the one before.

    For workers.
    """
    require_worker(actor)
    written = json.dumps([progress.done, progress.total, progress.text])

    async def operation(transaction: Transaction) -> None:
        await set_progress(transaction, call_id, written)

    await store.database.write(operation)


__all__ = ["note_call_progress"]
