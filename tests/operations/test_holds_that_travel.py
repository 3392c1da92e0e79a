"""What becomes of holds when a chat goes elsewhere, and since when a chat that holds is dirty."""

from typing import Any

import pytest
from sqlalchemy import update

from driftpin import limits
from driftpin.chat.messages import user_message
from driftpin.errors import Rejected
from driftpin.identity import WORKER
from driftpin.operations.check_store import Rule, check_store
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.delete_agent import delete_agent
from driftpin.operations.finish_turn import finish_turn
from driftpin.operations.fork_chat import fork_chat
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.operations.send_message import send_message
from driftpin.operations.settle_pin import settle_pin
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.tables import chat_pin_history
from driftpin.store.values import TurnState
from driftpin.store.writing.turns import record_pin_of_turn
from operations.conftest import content_of
from operations.holding import ONE, TWO, Scene, a_scene, part


@pytest.fixture
async def scene(stage: Any, store: Store) -> Scene:
    return await a_scene(stage, store)


async def test_a_rebind_reapplies_holds_and_ends_those_that_it_overtakes(scene: Scene) -> None:
    await scene.refresh(part(hold=["A.md", "B.md"]))
    other = await scene.stage.add_agent()
    await other.push(TWO | {"A.md": "three\n", "C.md": "three\n"})
    await rebind_chat(scene.store, scene.owner, scene.chat_id, other.id)
    wanted, _ = content_of({"A.md": "three\n", "B.md": "one\n", "C.md": "three\n"})
    assert await scene.stage.digest(scene.chat_id) == wanted.digest
    assert (await scene.stage.verbs(scene.chat_id))[-1] == "rebind"
    assert await scene.held() == {"B.md"}
    assert not await scene.is_dirty()
    assert await check_store(scene.store, WORKER) == ()


async def test_a_rebind_to_what_is_held_off_anyway_moves_no_pin(scene: Scene) -> None:
    await scene.refresh(part(hold=["A.md", "B.md"]))
    revision = (await scene.context()).revision
    other = await scene.stage.add_agent()
    await other.push(TWO)
    await rebind_chat(scene.store, scene.owner, scene.chat_id, other.id)
    context = await scene.context()
    assert (context.agent_id, context.revision) == (other.id, revision)
    assert (context.dirty, context.held) == (False, 2)


async def test_a_held_risk_does_not_keep_a_rebind_from_taking_the_rest(scene: Scene) -> None:
    risky = TWO | {"B.md": "never\u200b\n"}
    await scene.push(risky)
    await scene.refresh(part(hold=["B.md"]))
    other = await scene.stage.add_agent()
    await other.push(risky | {"C.md": "three\n"})
    await rebind_chat(scene.store, scene.owner, scene.chat_id, other.id)
    wanted, _ = content_of({"A.md": "two\n", "B.md": "one\n", "C.md": "three\n"})
    assert await scene.stage.digest(scene.chat_id) == wanted.digest


async def test_a_chat_whose_agent_is_gone_is_taken_over_with_its_holds(scene: Scene) -> None:
    await scene.refresh(part(hold=["B.md"]))
    await delete_agent(scene.store, scene.owner, scene.stage.agent.id)
    assert not (await settle_pin(scene.store, WORKER, scene.chat_id)).moved
    other = await scene.stage.add_agent()
    await other.push(TWO | {"C.md": "three\n"})
    wanted, _ = content_of({"A.md": "two\n", "B.md": "one\n", "C.md": "three\n"})
    assert await scene.stage.digest(scene.chat_id) == wanted.digest
    assert (await scene.stage.verbs(scene.chat_id))[-1] == "rebind"
    assert await scene.held() == {"B.md"}


async def test_a_chat_without_a_pin_holds_nothing(scene: Scene) -> None:
    await scene.refresh(part(hold=["B.md"]))
    other = await scene.stage.add_agent()
    await rebind_chat(scene.store, scene.owner, scene.chat_id, other.id)
    assert (await scene.context()).snapshot is None
    assert await scene.held() == set()
    await other.push(TWO)
    wanted, _ = content_of(TWO)
    assert await scene.stage.digest(scene.chat_id) == wanted.digest


async def test_a_roll_back_keeps_what_is_held_off(scene: Scene) -> None:
    first, _ = content_of(ONE)
    await scene.refresh(part(hold=["B.md"]))
    await roll_back_context(scene.store, scene.owner, scene.chat_id, first.digest)
    assert await scene.held() == {"B.md"}
    read = await scene.store.read_drift(scene.owner, scene.chat_id)
    assert {entry.source for entry in read.drift.entries} == {"workspace:A.md", "workspace:B.md"}
    context = await scene.context()
    assert (context.dirty, context.held) == (True, 1)


async def test_a_derived_pin_can_be_rolled_back_to(scene: Scene) -> None:
    await scene.refresh(part(hold=["B.md"]))
    derived = await scene.stage.digest(scene.chat_id)
    await scene.refresh()
    await roll_back_context(scene.store, scene.owner, scene.chat_id, derived)
    assert await scene.stage.digest(scene.chat_id) == derived


async def test_a_fork_holds_what_its_origin_holds(scene: Scene) -> None:
    await scene.refresh(part(hold=["B.md"]))
    await send_message(scene.store, scene.owner, scene.chat_id, user_message("hello"))
    claimed = await claim_turn(scene.store, WORKER, holder="w", lease_s=10)
    assert claimed is not None
    context = await scene.context()
    await scene.store.database.write(
        lambda transaction: record_pin_of_turn(
            transaction, claimed.lease, context.revision, context.snapshot.id
        )
    )
    await finish_turn(scene.store, WORKER, claimed.lease, TurnState.DONE)
    fork = await fork_chat(scene.store, scene.owner, scene.chat_id, 1)
    rows = await scene.store.list_holds(scene.owner, fork.chat.id)
    assert [row.source for row in rows] == ["workspace:B.md"]


async def test_sub_chats_follow_a_part_with_cascade_and_hold_nothing(scene: Scene) -> None:
    child = await scene.stage.chat(parent_id=scene.chat_id)
    await scene.refresh(part(hold=["B.md"]), cascade=True)
    assert await scene.stage.digest(child) == await scene.stage.digest(scene.chat_id)
    assert await scene.store.list_holds(scene.owner, child) == ()


async def test_dirty_since_is_when_the_first_head_came_that_is_not_held(
    scene: Scene, clock: Any
) -> None:
    await scene.refresh(part(hold=["B.md"]))
    times = []
    for text in ("two", "three", "one"):
        clock.step(60)
        times.append(clock.now())
        await scene.push(TWO | {"C.md": f"{text}\n"})
    assert (await scene.context()).dirty_since is None
    for text in ("four", "five"):
        clock.step(60)
        times.append(clock.now())
        await scene.push(TWO | {"C.md": f"{text}\n"})
    began = (await scene.context()).dirty_since
    assert times[3] <= began < times[4]


async def test_dirty_since_is_found_behind_many_heads(scene: Scene, clock: Any) -> None:
    await scene.refresh(part(hold=["B.md"]))
    clock.step(60)
    began = clock.now()
    for number in range(40):
        await scene.push(TWO | {"C.md": f"edit {number}\n"})
        clock.step(60)
    since = (await scene.context()).dirty_since
    assert 0 <= (since - began).total_seconds() < 60


async def test_a_released_hold_makes_a_chat_dirty_since_it_was_pinned(scene: Scene) -> None:
    await scene.refresh(part(hold=["B.md"]))
    pinned_at = (await scene.context()).pinned_at
    await scene.release()
    assert (await scene.context()).dirty_since == pinned_at


async def test_a_selection_that_passes_a_limit_is_refused_and_changes_nothing(
    stage: Any, store: Store
) -> None:
    half = limits.SNAPSHOT_TEXT_BYTES_MAX // limits.INSTRUCTION_BYTES_MAX // 2 + 1
    old, new = (
        {
            f"{letter}{index}.md": f"{letter}{index} " + letter * (limits.INSTRUCTION_BYTES_MAX - 9)
            for index in range(half)
        }
        for letter in "ab"
    )
    await stage.agent.push(old)
    chat_id = await stage.chat()
    await stage.agent.push(new)
    with pytest.raises(Rejected) as caught:
        await refresh_context(store, stage.owner, chat_id, selection=part(accept=sorted(new)))
    assert (caught.value.code, caught.value.fields["limit"]) == ("too_large", "snapshot_text_bytes")
    assert (await stage.context(chat_id)).revision == 1
    assert await store.list_holds(stage.owner, chat_id) == ()


@pytest.mark.parametrize("taken", ['["workspace:B.md"]', "[]", "7"])
async def test_a_move_to_a_part_that_its_inputs_do_not_give_is_found(
    scene: Scene, taken: str
) -> None:
    await scene.refresh(part(accept=["A.md"]))
    head = (await scene.context()).head.digest

    async def falsify(transaction: Transaction) -> None:
        await transaction.connection.execute(
            update(chat_pin_history)
            .where(chat_pin_history.c.revision == 2)
            .values(inputs=f'{{"head":"{head}","taken":{taken}}}')
        )

    await scene.store.database.write(falsify)
    (finding,) = await check_store(scene.store, WORKER)
    assert finding.rule is Rule.MOVE_INPUTS
