"""Moves that policies made are made again by the offline check, from what history says of them."""

import json
from typing import Any

import pytest
from sqlalchemy import update

from driftpin.context.policies import Policy, PolicySet
from driftpin.identity import WORKER, digest_of
from driftpin.operations.check_store import Rule, check_store
from driftpin.operations.set_chat_policies import set_chat_policies
from driftpin.operations.settle_pin import settle_pin
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.tables import chat_pin_history

OTHER = digest_of(b"another head")


async def forge(store: Store, **inputs: Any) -> None:
    """Have history say something else of what a policy did."""

    async def change(transaction: Transaction) -> None:
        await transaction.connection.execute(
            update(chat_pin_history)
            .where(chat_pin_history.c.verb == "apply_policy")
            .values(inputs=json.dumps(inputs, separators=(",", ":")))
        )

    await store.database.write(change)


@pytest.mark.parametrize("policy", [Policy.FOLLOW, Policy.AUTO_ADD])
async def test_a_move_that_its_inputs_do_not_explain_is_found(
    stage: Any, store: Store, policy: Policy
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await set_chat_policies(store, stage.owner, chat_id, PolicySet(policy))
    head = (await stage.agent.push({"AGENTS.md": "two", "NEW.md": "new"})).head.digest
    assert (await settle_pin(store, WORKER, chat_id)).verb == "apply_policy"
    assert await check_store(store, WORKER) == ()
    if policy is Policy.FOLLOW:
        await forge(store, policy="follow", head=OTHER)
    else:
        await forge(store, policy="auto_add", head=head, taken=["workspace:AGENTS.md"])
    rules = {finding.rule for finding in await check_store(store, WORKER)}
    assert rules == {Rule.MOVE_INPUTS}
