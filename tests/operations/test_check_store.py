"""Every kind of damage has its finding; a sound store has none."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Update, delete, select, update

from driftpin.errors import NotFound
from driftpin.identity import WORKER, digest_of
from driftpin.operations.check_store import Rule, check_store
from driftpin.operations.refresh_context import refresh_context
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.tables import (
    agent_heads,
    blobs,
    chat_pin_history,
    chat_pins,
    events,
    snapshots,
    workspace_usage,
)

DAMAGES: dict[Rule, Callable[[], Any]] = {
    Rule.BLOB_DIGEST: lambda: update(blobs).values(size_bytes=blobs.c.size_bytes + 1),
    Rule.SNAPSHOT_DIGEST: lambda: update(snapshots).values(prompt_digest=digest_of(b"other")),
    Rule.PIN_EXPLAINED: lambda: update(chat_pins).values(revision=chat_pins.c.revision + 1),
    Rule.HISTORY_CHAIN: lambda: _second_row(from_digest=digest_of(b"other")),
    Rule.HISTORY_EVENT: lambda: delete(events).where(
        events.c.id.in_(select(chat_pin_history.c.event_id))
    ),
    Rule.HEAD_RECORDED: lambda: delete(agent_heads),
    Rule.USAGE_COUNTED: lambda: delete(workspace_usage),
}


def _second_row(**values: Any) -> Update:
    return update(chat_pin_history).where(chat_pin_history.c.revision == 2).values(**values)


async def lived_in(stage: Any, store: Store) -> Any:
    await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    await stage.agent.push({"AGENTS.md": "two"})
    await refresh_context(store, stage.owner, chat_id)
    return chat_id


async def test_a_sound_store_has_no_finding(stage: Any, store: Store) -> None:
    await lived_in(stage, store)
    assert await check_store(store, WORKER) == ()


@pytest.mark.parametrize("rule", DAMAGES, ids=str)
async def test_damage_is_found_and_named(stage: Any, store: Store, rule: Rule) -> None:
    await lived_in(stage, store)

    async def damage(transaction: Transaction) -> None:
        await transaction.connection.execute(DAMAGES[rule]())

    await store.database.write(damage)
    findings = await check_store(store, WORKER)
    assert rule in {finding.rule for finding in findings}
    assert [finding.id for finding in findings] == [
        finding.id for finding in await check_store(store, WORKER)
    ]


async def test_flipped_bytes_are_found(stage: Any, store: Store, stored_bytes: Any) -> None:
    await lived_in(stage, store)
    await stored_bytes.damage(digest_of(b"one"))
    (finding,) = await check_store(store, WORKER)
    assert finding.id == f"blob_digest:blob:{digest_of(b'one')}"


async def test_nobody_but_a_worker_may_check(stage: Any, store: Store) -> None:
    with pytest.raises(NotFound):
        await check_store(store, stage.owner)
