from typing import Any

import pytest
from sqlalchemy import select

from driftpin.chat.messages import user_message
from driftpin.errors import Conflict, Forbidden, NotFound, Rejected
from driftpin.events.event import Event, EventKind, Position
from driftpin.identity import WORKER, Actor, ChatId, Digest, digest_of
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.create_chat import create_chat
from driftpin.operations.delete_chat import delete_chat
from driftpin.operations.finish_turn import finish_turn
from driftpin.operations.fork_chat import fork_chat
from driftpin.operations.send_message import send_message
from driftpin.operations.share_chat import share_chat
from driftpin.operations.unshare_chat import unshare_chat
from driftpin.operations.update_chat import update_chat
from driftpin.store.store import Store
from driftpin.store.tables import audit
from driftpin.store.values import Access, ChatView, Policy, TurnState
from people import People
from pushing import Pusher, snapshot_with
from stepping import SteppedClock


@pytest.fixture
def pusher(store: Store, people: People) -> Pusher:
    return Pusher(store, people.agent)


async def chat_of(store: Store, people: People, title: str = "a chat") -> ChatId:
    return (await create_chat(store, people.owner, people.workspace_id, title=title)).chat.id


def digest_pinned(view: ChatView) -> Digest | None:
    return view.context.snapshot.digest if view.context.snapshot else None


async def events_of(store: Store, actor: Actor, chat_id: ChatId) -> list[Event]:
    found, _ = await store.list_events(actor, after=Position(0, 0), limit=500, chat_id=chat_id)
    return list(found)


async def answer_next_turn(store: Store, end: TurnState = TurnState.DONE) -> None:
    claimed = await claim_turn(store, WORKER, holder="w", lease_s=10)
    assert claimed is not None
    await finish_turn(store, WORKER, claimed.lease, end)


async def test_a_chat_is_born_on_its_workspaces_head(
    store: Store, people: People, pusher: Pusher
) -> None:
    head = await pusher.push(AGENTS="one")
    view = await create_chat(store, people.owner, people.workspace_id, title="first")
    assert digest_pinned(view) == head
    assert (view.access, view.chat.title, view.context.dirty) == (Access.OWNER, "first", False)
    assert view.context.revision == 1


async def test_a_chat_before_the_first_push_is_unpinned(store: Store, people: People) -> None:
    view = await create_chat(store, people.owner, people.workspace_id)
    assert view.context.snapshot is None
    assert (view.context.revision, view.context.dirty) == (0, False)


async def test_a_chat_is_born_on_a_given_snapshot(
    store: Store, people: People, pusher: Pusher
) -> None:
    old = await pusher.push(AGENTS="one")
    head = await pusher.push(AGENTS="two")
    view = await create_chat(store, people.owner, people.workspace_id, snapshot=old)
    assert digest_pinned(view) == old
    assert view.context.head is not None
    assert view.context.head.digest == head
    assert view.context.dirty


async def test_an_unknown_snapshot_is_not_found_and_no_chat_is_made(
    store: Store, people: People
) -> None:
    with pytest.raises(NotFound):
        await create_chat(store, people.owner, people.workspace_id, snapshot=digest_of(b"other"))
    assert (await store.list_chats(people.owner, limit=10)).items == ()


async def test_a_sub_chat_is_born_with_its_parents_exact_snapshot_whatever_the_head_is(
    store: Store, people: People, pusher: Pusher
) -> None:
    old = await pusher.push(AGENTS="one")
    parent_id = await chat_of(store, people)
    await pusher.push(AGENTS="two")
    view = await create_chat(store, people.owner, people.workspace_id, parent_id=parent_id)
    assert digest_pinned(view) == old
    assert (view.chat.parent_id, view.chat.policies.policy) == (parent_id, Policy.FREEZE)


async def test_a_sub_chat_can_have_a_subset_of_its_parents_sources(
    store: Store, people: People, pusher: Pusher
) -> None:
    await pusher.push(AGENTS="one", CLAUDE="two")
    parent_id = await chat_of(store, people)
    view = await create_chat(
        store,
        people.owner,
        people.workspace_id,
        parent_id=parent_id,
        sources=["workspace:CLAUDE.md"],
    )
    expected, _ = snapshot_with(CLAUDE="two")
    assert digest_pinned(view) == expected.digest


async def test_a_source_that_the_parent_does_not_list_is_refused(
    store: Store, people: People, pusher: Pusher
) -> None:
    await pusher.push(AGENTS="one")
    parent_id = await chat_of(store, people)
    with pytest.raises(Rejected) as refusal:
        await create_chat(
            store,
            people.owner,
            people.workspace_id,
            parent_id=parent_id,
            sources=["workspace:AGENTS.md", "workspace:CLAUDE.md"],
        )
    assert refusal.value.code == "unknown_source"
    assert refusal.value.fields["sources"] == ["workspace:CLAUDE.md"]


async def test_combinations_that_contradict_are_refused(store: Store, people: People) -> None:
    chat_id = await chat_of(store, people)
    chosen: dict[str, Any]
    for chosen in ({"parent_id": chat_id, "snapshot": digest_of(b"")}, {"sources": ["a"]}):
        with pytest.raises(Rejected) as refusal:
            await create_chat(store, people.owner, people.workspace_id, **chosen)
        assert refusal.value.code == "bad_combination"


async def test_a_parent_of_another_workspace_is_refused(store: Store, people: People) -> None:
    parent_id = await chat_of(store, people)
    with pytest.raises(Rejected) as refusal:
        await create_chat(
            store, people.administrator, people.foreign_workspace_id, parent_id=parent_id
        )
    assert refusal.value.code == "parent_elsewhere"


async def test_an_archived_chat_keeps_its_pin_and_its_drift_is_right_when_it_comes_back(
    store: Store, people: People, pusher: Pusher
) -> None:
    old = await pusher.push(AGENTS="one")
    chat_id = await chat_of(store, people)
    archived = await update_chat(store, people.owner, chat_id, is_archived=True)
    assert archived.chat.archived_at is not None
    await pusher.push(AGENTS="two")
    view = await update_chat(store, people.owner, chat_id, is_archived=False)
    assert view.chat.archived_at is None
    assert digest_pinned(view) == old
    assert view.context.dirty


async def test_an_archived_chat_without_a_pin_gets_none_until_it_comes_back(
    store: Store, people: People, pusher: Pusher
) -> None:
    chat_id = await chat_of(store, people)
    await update_chat(store, people.owner, chat_id, is_archived=True)
    head = await pusher.push(AGENTS="one")
    assert digest_pinned(await store.get_chat(people.owner, chat_id)) is None
    view = await update_chat(store, people.owner, chat_id, is_archived=False)
    assert digest_pinned(view) == head


async def test_a_change_to_what_is_so_already_is_not_announced(
    store: Store, people: People, clock: SteppedClock
) -> None:
    chat_id = await chat_of(store, people)
    before = await store.get_chat(people.owner, chat_id)
    clock.step(5)
    view = await update_chat(store, people.owner, chat_id, title="a chat", is_archived=False)
    assert view == before
    assert [event.kind for event in await events_of(store, people.owner, chat_id)] == [
        EventKind.CHAT_CREATED
    ]


async def test_title_and_policy_change_together_with_one_event(
    store: Store, people: People
) -> None:
    chat_id = await chat_of(store, people)
    view = await update_chat(store, people.owner, chat_id, title="new", policy=Policy.FOLLOW)
    assert (view.chat.title, view.chat.policies.policy) == ("new", Policy.FOLLOW)
    kinds = [event.kind for event in await events_of(store, people.owner, chat_id)]
    assert kinds == [EventKind.CHAT_CREATED, EventKind.CHAT_CHANGED]


@pytest.mark.parametrize(
    ("title", "code"),
    [
        ("x" * 10_000_000, "too_long"),
        ("x" * 201, "too_long"),
        ("a\0b", "control_char"),
        ("a\nb", "control_char"),
    ],
    ids=["10MB", "201", "nul", "newline"],
)
async def test_f17_bad_titles_are_refused(
    store: Store, people: People, title: str, code: str
) -> None:
    with pytest.raises(Rejected) as refusal:
        await create_chat(store, people.owner, people.workspace_id, title=title)
    assert refusal.value.code == code


async def test_f17_a_title_with_html_is_kept_as_text(store: Store, people: People) -> None:
    title = "<script>alert('x')</script>" + "y" * 100
    chat_id = await chat_of(store, people, title)
    assert (await store.get_chat(people.owner, chat_id)).chat.title == title


async def test_a_deleted_chat_is_not_found_and_its_children_stay(
    store: Store, people: People, pusher: Pusher
) -> None:
    await pusher.push(AGENTS="one")
    parent_id = await chat_of(store, people)
    child = await create_chat(store, people.owner, people.workspace_id, parent_id=parent_id)
    await send_message(store, people.owner, parent_id, user_message("hello"))
    await delete_chat(store, people.owner, parent_id)
    with pytest.raises(NotFound):
        await store.get_chat(people.owner, parent_id)
    kept = await store.get_chat(people.owner, child.chat.id)
    assert (kept.chat.parent_id, kept.context.snapshot) == (None, child.context.snapshot)
    told, _ = await store.list_events(people.owner, after=Position(0, 0), limit=100)
    assert (EventKind.CHAT_DELETED, parent_id) in [(event.kind, event.chat_id) for event in told]


async def test_a_share_gives_what_it_says_and_a_second_one_replaces_it(
    store: Store, people: People
) -> None:
    chat_id = await chat_of(store, people)
    await share_chat(store, people.owner, chat_id, people.other_id, Access.READ)
    assert (await store.get_chat(people.other, chat_id)).access is Access.READ
    with pytest.raises(Forbidden):
        await update_chat(store, people.other, chat_id, title="mine")
    await share_chat(store, people.owner, chat_id, people.other_id, Access.UPDATE)
    assert (await update_chat(store, people.other, chat_id, title="ours")).chat.title == "ours"
    (share,) = await store.list_shares(people.owner, chat_id)
    assert (share.user_id, share.user_name, share.access) == (
        people.other_id,
        "other",
        Access.UPDATE,
    )
    await unshare_chat(store, people.owner, chat_id, people.other_id)
    with pytest.raises(NotFound):
        await store.get_chat(people.other, chat_id)
    with pytest.raises(NotFound):
        await unshare_chat(store, people.owner, chat_id, people.other_id)


async def test_a_share_with_nobody_or_with_the_owner_is_refused(
    store: Store, people: People
) -> None:
    chat_id = await chat_of(store, people)
    unknown = type(people.other_id)("00000000-0000-7000-8000-000000000000")
    codes = []
    for user_id, access in (
        (unknown, Access.READ),
        (people.owner_id, Access.READ),
        (people.other_id, Access.OWNER),
    ):
        with pytest.raises(Rejected) as refusal:
            await share_chat(store, people.owner, chat_id, user_id, access)
        codes.append(refusal.value.code)
    assert codes == ["unknown_user", "bad_access", "bad_access"]


async def test_a_fork_has_the_messages_and_the_pin_of_its_turn(
    store: Store, people: People, pusher: Pusher
) -> None:
    old = await pusher.push(AGENTS="one")
    chat_id = await chat_of(store, people)
    for text in ("one", "two"):
        await send_message(store, people.owner, chat_id, user_message(text))
        await answer_next_turn(store)
    await pusher.push(AGENTS="two")
    fork = await fork_chat(store, people.owner, chat_id, 1)
    page = await store.list_messages(people.owner, fork.chat.id, None, 10)
    assert [message.content["parts"][0]["text"] for message in page.items] == ["one"]
    assert fork.chat.forked_from_id == chat_id
    turns = await store.list_turns(people.owner, fork.chat.id)
    assert [(turn.number, turn.state) for turn in turns] == [(1, TurnState.DONE)]
    _, following = await send_message(store, people.owner, fork.chat.id, user_message("three"))
    assert following.number == 2
    (origin_turn, *_) = await store.list_turns(people.owner, chat_id)
    assert digest_pinned(fork) == origin_turn.snapshot_digest
    assert origin_turn.snapshot_digest in (old, None)


async def test_a_turn_that_has_not_ended_or_does_not_exist_cannot_be_forked(
    store: Store, people: People
) -> None:
    chat_id = await chat_of(store, people)
    await send_message(store, people.owner, chat_id, user_message("one"))
    with pytest.raises(Conflict) as refusal:
        await fork_chat(store, people.owner, chat_id, 1)
    assert refusal.value.code == "turn_unfinished"
    with pytest.raises(NotFound):
        await fork_chat(store, people.owner, chat_id, 2)


async def test_a_chat_shared_for_update_cannot_be_forked_by_one_who_does_not_see_the_workspace(
    store: Store, people: People
) -> None:
    chat_id = await chat_of(store, people)
    await share_chat(store, people.owner, chat_id, people.other_id, Access.UPDATE)
    with pytest.raises(Forbidden):
        await fork_chat(store, people.other, chat_id, 1)


async def test_an_administrator_who_acts_on_anothers_chat_is_in_the_audit(
    store: Store, people: People
) -> None:
    chat_id = await chat_of(store, people)
    await update_chat(store, people.administrator, chat_id, title="seen")
    async with store.database.read() as connection:
        rows = (await connection.execute(select(audit).order_by(audit.c.id))).all()
    assert (rows[-1].actor, rows[-1].action, rows[-1].subject) == (
        people.administrator.name,
        "update_chat",
        f"chat:{chat_id}",
    )


async def test_f7_another_users_chat_is_refused_as_a_missing_one_is(
    store: Store, people: People
) -> None:
    chat_id = await chat_of(store, people)
    refusals = []
    for asked in (chat_id, ChatId("00000000-0000-7000-8000-000000000000")):
        with pytest.raises(NotFound) as refusal:
            await store.get_chat(people.other, asked)
        refusals.append((refusal.value.code, refusal.value.message, refusal.value.fields))
    assert refusals[0] == refusals[1]
