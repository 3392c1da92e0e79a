"""Part of a change, and what is held off: derived pins, holds that end when the head moves on."""

from typing import Any

import pytest

from driftpin.context.holds import Selection
from driftpin.errors import Conflict, DriftpinError, HeadMoved
from driftpin.events.event import EventKind
from driftpin.identity import WORKER
from driftpin.operations.check_store import check_store
from driftpin.operations.update_chat import update_chat
from driftpin.store.store import Store
from driftpin.store.tables import chat_holds, chat_pin_history, events
from operations.conftest import content_of
from operations.holding import TWO, Scene, a_scene, part


@pytest.fixture
async def scene(stage: Any, store: Store) -> Scene:
    return await a_scene(stage, store)


async def test_accepting_one_takes_it_and_holds_the_rest(scene: Scene) -> None:
    move = await scene.refresh(part(accept=["A.md"]))
    wanted, _ = content_of(TWO | {"B.md": "one\n"})
    assert (move.moved, move.revision, move.verb) == (True, 2, "refresh")
    assert await scene.stage.digest(scene.chat_id) == wanted.digest
    context = await scene.context()
    assert (context.dirty, context.severity, context.dirty_since) == (False, None, None)
    assert context.held == 1
    assert await scene.held() == {"B.md"}
    assert not await scene.is_dirty()
    assert await check_store(scene.store, WORKER) == ()


async def test_holding_one_takes_the_rest(scene: Scene) -> None:
    await scene.refresh(part(hold=["B.md"]))
    wanted, _ = content_of(TWO | {"B.md": "one\n"})
    assert await scene.stage.digest(scene.chat_id) == wanted.digest
    assert await scene.held() == {"B.md"}
    assert not await scene.is_dirty()


async def test_what_neither_list_names_stays_drift(scene: Scene) -> None:
    await scene.push(TWO | {"C.md": "two\n"})
    await scene.refresh(part(accept=["A.md"], hold=["B.md"]))
    assert await scene.is_dirty()
    read = await scene.store.read_drift(scene.owner, scene.chat_id)
    assert {entry.source for entry in read.drift.entries} == {"workspace:B.md", "workspace:C.md"}
    assert await scene.held() == {"B.md"}


async def test_a_hold_ends_when_the_head_moves_on_and_holds_again_if_it_comes_back(
    scene: Scene,
) -> None:
    await scene.refresh(part(hold=["B.md"]))
    await scene.push(TWO | {"B.md": "three\n"})
    assert await scene.is_dirty()
    assert (await scene.context()).held == 0
    await scene.push(TWO)
    assert not await scene.is_dirty()


async def test_an_edit_beside_a_hold_makes_the_chat_dirty_with_its_own_severity(
    scene: Scene,
) -> None:
    await scene.refresh(part(hold=["B.md"]))
    await scene.push(TWO | {"C.md": "one \n"})
    context = await scene.context()
    assert (context.dirty, context.severity, context.held) == (True, "cosmetic", 1)


async def test_holding_all_moves_no_pin_and_says_that_the_chat_changed(
    scene: Scene, stored_bytes: Any
) -> None:
    before = await stored_bytes.count(chat_pin_history)
    last, _ = await scene.store.first_and_last_position(scene.owner)
    move = await scene.refresh(part(accept=[], hold=["A.md", "B.md"]))
    assert (move.moved, move.revision) == (False, 1)
    assert await stored_bytes.count(chat_pin_history) == before
    assert not await scene.is_dirty()
    told, _ = await scene.store.list_events(scene.owner, after=last, limit=100)
    assert told[-1].kind is EventKind.CHAT_CHANGED
    assert (told[-1].chat_id, dict(told[-1].payload)) == (scene.chat_id, {"holds": 2})


async def test_the_same_selection_again_writes_nothing(scene: Scene, stored_bytes: Any) -> None:
    await scene.refresh(part(accept=["A.md"]))
    before = [await stored_bytes.count(table) for table in (events, chat_pin_history, chat_holds)]
    move = await scene.refresh(part(accept=["A.md"]))
    assert (move.moved, move.revision) == (False, 2)
    assert [
        await stored_bytes.count(table) for table in (events, chat_pin_history, chat_holds)
    ] == before


async def test_a_held_resource_can_be_accepted_later(scene: Scene) -> None:
    await scene.refresh(part(hold=["B.md"]))
    await scene.refresh(part(accept=["B.md"]))
    wanted, _ = content_of(TWO)
    assert await scene.stage.digest(scene.chat_id) == wanted.digest
    assert await scene.held() == set()


async def test_what_is_held_stays_so_while_the_rest_is_taken(scene: Scene) -> None:
    await scene.refresh(part(hold=["B.md"]))
    await scene.push(TWO | {"C.md": "two\n"})
    await scene.refresh(part(hold=[]))
    wanted, _ = content_of({"A.md": "two\n", "B.md": "one\n", "C.md": "two\n"})
    assert await scene.stage.digest(scene.chat_id) == wanted.digest
    assert await scene.held() == {"B.md"}


async def test_a_full_refresh_takes_what_was_held_and_clears_the_holds(scene: Scene) -> None:
    await scene.refresh(part(hold=["B.md"]))
    await scene.refresh()
    wanted, _ = content_of(TWO)
    assert await scene.stage.digest(scene.chat_id) == wanted.digest
    assert await scene.held() == set()
    assert not await scene.is_dirty()


async def test_a_released_hold_is_drift_again(scene: Scene) -> None:
    await scene.refresh(part(hold=["A.md", "B.md"]))
    assert await scene.release("B.md", "never-held.md") == 1
    assert await scene.held() == {"A.md"}
    assert await scene.is_dirty()
    assert await scene.release() == 1
    assert await scene.held() == set()
    assert await scene.release() == 0


async def test_both_halves_of_a_rename_go_together(scene: Scene) -> None:
    long = "".join(f"line {number}\n" for number in range(40))
    await scene.push({"old.md": long})
    await scene.refresh()
    await scene.push({"new.md": long + "and more\n", "B.md": "two\n"})
    await scene.refresh(part(hold=["new.md"]))
    wanted, _ = content_of({"old.md": long, "B.md": "two\n"})
    assert await scene.stage.digest(scene.chat_id) == wanted.digest
    assert await scene.held() == {"old.md", "new.md"}
    assert not await scene.is_dirty()
    with pytest.raises(Conflict) as caught:
        await scene.refresh(part(accept=["old.md"], hold=["new.md"]))
    assert caught.value.code == "selection_conflict"
    await scene.refresh(part(accept=["old.md"]))
    assert await scene.held() == set()
    assert not await scene.is_dirty()
    assert await check_store(scene.store, WORKER) == ()


async def test_releasing_one_half_of_a_rename_releases_both(scene: Scene) -> None:
    long = "".join(f"line {number}\n" for number in range(40))
    await scene.push({"old.md": long})
    await scene.refresh()
    await scene.push({"new.md": long + "and more\n"})
    await scene.refresh(part(hold=["old.md"]))
    assert await scene.release("new.md") == 2


@pytest.mark.parametrize(
    ("selection", "code"),
    [
        (part(accept=["A.md"], hold=["A.md"]), "selection_conflict"),
        (part(accept=["nowhere.md"]), "unknown_source"),
        (part(hold=["nowhere.md"]), "unknown_source"),
    ],
)
async def test_an_impossible_selection_is_refused_and_changes_nothing(
    scene: Scene, stored_bytes: Any, selection: Selection, code: str
) -> None:
    before = [await stored_bytes.count(table) for table in (events, chat_pin_history, chat_holds)]
    for attempt in (scene.refresh, scene.foresee):
        with pytest.raises(DriftpinError) as caught:
            await attempt(selection)
        assert caught.value.code == code
    assert [
        await stored_bytes.count(table) for table in (events, chat_pin_history, chat_holds)
    ] == before


async def test_a_selection_of_another_head_than_was_shown_is_refused(scene: Scene) -> None:
    shown = (await scene.context()).head.digest
    await scene.push(TWO | {"C.md": "two\n"})
    with pytest.raises(HeadMoved):
        await scene.refresh(part(accept=["A.md"]), to=shown)
    assert (await scene.context()).revision == 1


async def test_an_archived_chat_neither_holds_nor_releases(scene: Scene) -> None:
    await scene.refresh(part(hold=["B.md"]))
    await update_chat(scene.store, scene.owner, scene.chat_id, is_archived=True)
    for attempt in (scene.refresh(part(accept=["B.md"])), scene.release()):
        with pytest.raises(Conflict) as caught:
            await attempt
        assert caught.value.code == "chat_archived"
    await update_chat(scene.store, scene.owner, scene.chat_id, is_archived=False)
    assert await scene.held() == {"B.md"}
    assert not await scene.is_dirty()


async def test_a_dry_run_says_what_would_be_pinned_and_changes_nothing(
    scene: Scene, stored_bytes: Any
) -> None:
    before = [await stored_bytes.count(table) for table in (events, chat_pin_history, chat_holds)]
    foreseen = await scene.foresee(part(accept=["A.md"], hold=[]))
    wanted, _ = content_of(TWO | {"B.md": "one\n"})
    assert (foreseen.moves, foreseen.revision, foreseen.after.digest) == (True, 1, wanted.digest)
    assert [entry.source for entry in foreseen.taken.entries] == ["workspace:A.md"]
    assert foreseen.held.is_empty
    assert [entry.source for entry in foreseen.left.entries] == ["workspace:B.md"]
    assert [
        await stored_bytes.count(table) for table in (events, chat_pin_history, chat_holds)
    ] == before
    assert await scene.stage.digest(scene.chat_id) != wanted.digest
