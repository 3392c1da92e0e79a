"""Every kind of damage has its finding; a sound store has none."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Update, delete, insert, literal, select, update

from driftpin.errors import NotFound, UsageError
from driftpin.identity import WORKER, digest_of
from driftpin.operations.check_store import Rule, check_store
from driftpin.operations.keep_drift import keep_drift
from driftpin.operations.refresh_context import refresh_context
from driftpin.store.database import EngineKind, Transaction
from driftpin.store.startup import check_storage
from driftpin.store.store import Store
from driftpin.store.tables import (
    agent_heads,
    agents,
    blobs,
    chat_pin_history,
    chat_pins,
    chats,
    drift_summaries,
    events,
    receipts,
    snapshots,
    workspace_usage,
)

ROLLED_BACK = json.dumps({"to": digest_of(b"other")})
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
    Rule.HEAD_NUMBERS: lambda: update(agents).values(head_seq=0),
    Rule.MOVE_INPUTS: lambda: update(chat_pin_history).values(inputs='{"agent_id":"x","to":"x"}'),
    Rule.MOVE_TARGET: lambda: update(chat_pin_history).values(
        verb="roll_back", inputs=ROLLED_BACK, to_digest=digest_of(b"other")
    ),
    Rule.CHAT_PIN: lambda: delete(chat_pins),
    Rule.PIN_WORKSPACE: lambda: update(chat_pins).values(workspace_id=chat_pins.c.chat_id),
    Rule.REFERENCE_DIGEST: lambda: update(agent_heads).values(digest=digest_of(b"other")),
    Rule.RECEIPT_CHAIN: lambda: insert(receipts).from_select(
        ["chat_id", "number", "turn", "digest", "content", "at"],
        select(
            chats.c.id,
            literal(1),
            literal(1),
            snapshots.c.digest,
            literal("{}"),
            chats.c.created_at,
        )
        .select_from(chats.join(snapshots, snapshots.c.workspace_id == chats.c.workspace_id))
        .limit(1),
    ),
}
# Found by tests of their own: below, and where pages of files are damaged.
ELSEWHERE = {Rule.REFERENCE_TARGET, Rule.CONSTRAINT, Rule.DATABASE_PAGE, Rule.DRIFT_KEPT}
CHECKS = Path(__file__).parents[2] / "docs" / "reference" / "checks.md"


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


@pytest.mark.parametrize(
    "wrong", [{"entries": "[]"}, {"entries": "["}, {"severity": "cosmetic"}, {"entry_count": 7}]
)
async def test_a_kept_drift_that_its_snapshots_do_not_give_is_found(
    stage: Any, store: Store, wrong: dict[str, Any]
) -> None:
    await stage.agent.push({"AGENTS.md": "one"})
    await stage.chat()
    await stage.agent.push({"AGENTS.md": "two"})
    assert await keep_drift(store, WORKER, stage.agent.id) == 1
    assert await check_store(store, WORKER) == ()

    async def damage(transaction: Transaction) -> None:
        await transaction.connection.execute(update(drift_summaries).values(**wrong))

    await store.database.write(damage)
    (finding,) = await check_store(store, WORKER)
    assert finding.rule is Rule.DRIFT_KEPT


async def test_flipped_bytes_are_found(stage: Any, store: Store, stored_bytes: Any) -> None:
    await lived_in(stage, store)
    await stored_bytes.damage(digest_of(b"one"))
    (finding,) = await check_store(store, WORKER)
    assert finding.id == f"blob_digest:blob:{digest_of(b'one')}"


async def test_nobody_but_a_worker_may_check(stage: Any, store: Store) -> None:
    with pytest.raises(NotFound):
        await check_store(store, stage.owner)


def test_every_rule_is_tested_and_told() -> None:
    assert set(Rule) == DAMAGES.keys() | ELSEWHERE
    told = CHECKS.read_text(encoding="utf-8")
    assert [rule for rule in Rule if f"| `{rule}` |" not in told] == []


async def test_a_reference_to_nothing_is_found(
    stage: Any, store: Store, unchecked: Callable[[str], Awaitable[None]]
) -> None:
    await lived_in(stage, store)
    await unchecked("DELETE FROM users")
    found = {finding.id for finding in await check_store(store, WORKER)}
    assert {"reference_target:chats.owner_id", "reference_target:workspaces.owner_id"} <= found


async def test_a_missing_constraint_is_found_and_keeps_the_server_from_starting(
    store: Store, unchecked: Callable[[str], Awaitable[None]]
) -> None:
    name = "idempotency_keys"
    lacking = f"{name}: primary key user_id, name"
    if store.database.engine_kind is EngineKind.SQLITE:
        await unchecked(f"CREATE TABLE loose AS SELECT * FROM {name}")
        await unchecked(f"DROP TABLE {name}")
        await unchecked(f"ALTER TABLE loose RENAME TO {name}")
        mended = ""
    else:
        await unchecked(f"ALTER TABLE {name} DROP CONSTRAINT pk_{name}")
        mended = f"ALTER TABLE {name} ADD CONSTRAINT pk_{name} PRIMARY KEY (user_id, name)"
    try:
        found = {finding.id for finding in await check_store(store, WORKER)}
        assert f"constraint:{lacking}" in found
        with pytest.raises(UsageError) as refusal:
            await check_storage(store.database)
        assert refusal.value.code == "database_incomplete"
        assert lacking in refusal.value.message
    finally:
        if mended:
            await unchecked(mended)
