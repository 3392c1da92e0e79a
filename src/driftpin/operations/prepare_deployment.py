"""Make the facts that a deployment is born with."""

import secrets
from typing import Final

from driftpin.chat.receipt_key import SEED_BYTES
from driftpin.identity import Actor
from driftpin.operations.keep_deployment_fact import keep_deployment_fact
from driftpin.store.event_order import RESTORE_EPOCH
from driftpin.store.store import Store

SIGNING_KEY: Final = "signing_key"
SIGNING_KEY_BYTES: Final = 32
RECEIPT_KEY: Final = "receipt_key"
FIRST_EPOCH: Final = "1"


async def prepare_deployment(store: Store, actor: Actor) -> None:
    """Make what is not there yet of the keys and the restore epoch; for workers.

    One key seals cursors, the other signs exports of receipts.
    """
    await keep_deployment_fact(store, actor, SIGNING_KEY, secrets.token_hex(SIGNING_KEY_BYTES))
    await keep_deployment_fact(store, actor, RECEIPT_KEY, secrets.token_hex(SEED_BYTES))
    await keep_deployment_fact(store, actor, RESTORE_EPOCH, FIRST_EPOCH)


__all__ = ["RECEIPT_KEY", "RESTORE_EPOCH", "SIGNING_KEY", "prepare_deployment"]
