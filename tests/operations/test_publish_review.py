"""Reviews on the server: kept to the byte, once, and for as long as nobody deletes them."""

from typing import Any

import pytest

from driftpin import limits
from driftpin.errors import Conflict, NotFound
from driftpin.events.event import EventKind, Position
from driftpin.identity import WORKER, user_actor
from driftpin.operations.collect_garbage import collect_garbage
from driftpin.operations.create_user import create_user
from driftpin.operations.delete_review import delete_review
from driftpin.operations.publish_review import publish_review
from driftpin.store.store import Store
from driftpin.store.tables import blobs
from review_documents import document_of, record_of


async def test_a_round_is_kept_to_the_byte_and_once(stage: Any, store: Store, clock: Any) -> None:
    first = record_of(document_of(), scout="01890000-0000-7000-8000-000000000001")
    made = await publish_review(store, stage.owner, stage.workspace_id, first)
    clock.step(5)
    assert await publish_review(store, stage.owner, stage.workspace_id, first) == made
    (kept,) = await store.list_review_rounds(stage.owner, made.id, limit=5)
    assert (kept.number, kept.document, kept.digest, kept.chats) == (
        1,
        first.document,
        first.digest,
        first.chats,
    )
    other = record_of(document_of(target=first.target, gaps=["another"]))
    with pytest.raises(Conflict) as refused:
        await publish_review(store, stage.owner, stage.workspace_id, other)
    assert refused.value.code == "round_differs"


async def test_the_newest_round_is_what_a_list_says_whichever_comes_first(
    stage: Any, store: Store, clock: Any
) -> None:
    second, first = record_of(document_of(2)), record_of(document_of(1))
    for record in (second, first):
        clock.step(1)
        row = await publish_review(store, stage.owner, stage.workspace_id, record)
        assert (row.round, row.open_count) == (2, second.open_count)
    rounds = await store.list_review_rounds(stage.owner, row.id, limit=5)
    assert [each.number for each in rounds] == [2, 1]
    clock.step(1)
    later = record_of(document_of(1, target="another"))
    await publish_review(store, stage.owner, stage.workspace_id, later)
    page = await store.list_reviews(stage.owner, workspace_id=stage.workspace_id, limit=1)
    assert [each.target for each in page.items] == ["another"]
    rest = await store.list_reviews(
        stage.owner, workspace_id=stage.workspace_id, after=page.next, limit=1
    )
    assert ([each.id for each in rest.items], rest.next) == ([row.id], None)


async def test_a_document_stays_while_its_review_does_and_goes_after_it(
    stage: Any, store: Store, clock: Any, stored_bytes: Any
) -> None:
    before = await stored_bytes.count(blobs)
    row = await publish_review(store, stage.owner, stage.workspace_id, record_of(document_of()))
    clock.step(limits.GRACE_S + 1)
    await collect_garbage(store, WORKER)
    assert await stored_bytes.count(blobs) == before + 1
    await delete_review(store, stage.owner, row.id)
    clock.step(limits.GRACE_S + 1)
    await collect_garbage(store, WORKER)
    assert await stored_bytes.count(blobs) == before
    with pytest.raises(NotFound):
        await store.get_review(stage.owner, row.id)


async def test_a_list_of_all_reviews_shows_those_of_ones_own_workspaces(
    stage: Any, store: Store
) -> None:
    row = await publish_review(store, stage.owner, stage.workspace_id, record_of(document_of()))
    stranger = user_actor((await create_user(store, WORKER, "stranger")).id)
    assert (await store.list_reviews(stranger, limit=5)).items == ()
    assert (await store.list_reviews(stage.owner, limit=5)).items == (row,)


async def test_whoever_watches_the_workspace_hears_of_rounds(stage: Any, store: Store) -> None:
    _, position = await store.first_and_last_position(stage.owner)
    row = await publish_review(store, stage.owner, stage.workspace_id, record_of(document_of()))
    await delete_review(store, stage.owner, row.id)
    heard = await _events(store, stage, position)
    assert heard == [
        (EventKind.REVIEW_PUBLISHED, row.id, stage.workspace_id),
        (EventKind.REVIEW_DELETED, row.id, stage.workspace_id),
    ]


async def _events(store: Store, stage: Any, after: Position) -> list[tuple[Any, ...]]:
    events, _ = await store.list_events(stage.owner, after=after, limit=10)
    return [(each.kind, each.payload["review_id"], each.workspace_id) for each in events]
