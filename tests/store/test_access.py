"""What each predicate of `store.access` lets each kind of caller see, in one small world.

`tests/seams` tries every door of the store with every caller, on both engines; here the rules that
all of them share are read one by one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Column, ColumnElement, select

from driftpin.errors import DriftpinError, Forbidden, NotFound, Unauthenticated
from driftpin.identity import NOBODY, WORKER, Actor, digest_of, user_actor
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_user import create_user
from driftpin.operations.create_user_token import create_user_token
from driftpin.operations.import_snapshot import import_snapshot
from driftpin.operations.share_chat import share_chat
from driftpin.operations.store_blobs import store_blobs
from driftpin.store import access
from driftpin.store.database import EngineKind
from driftpin.store.store import Store
from driftpin.store.tables import agents, blobs, chats, snapshots, tokens, users, workspaces
from driftpin.store.values import Access
from people import People
from pushing import Pusher, snapshot_with

Rule = Callable[[Actor], ColumnElement[bool]]
Sight = Mapping[str, set[str]]

ONE_ENGINE = pytest.mark.parametrize("engine_kind", [EngineKind.SQLITE], indirect=True, ids=str)


@dataclass(slots=True)
class World:
    """Who is there, and the name by which a test speaks of each thing."""

    store: Store
    callers: dict[str, Actor]
    names: dict[str, str]
    manifests: dict[str, str]

    async def seen(self, rule: Rule, key: Column[Any]) -> dict[str, set[str]]:
        """Return what every caller sees through a predicate, by name."""
        return {name: await self._seen(rule(actor), key) for name, actor in self.callers.items()}

    async def _seen(self, predicate: ColumnElement[bool], key: Column[Any]) -> set[str]:
        async with self.store.database.read() as connection:
            found = await connection.execute(select(key).where(predicate))
            return {self.names[value] for value in found.scalars() if value in self.names}


@pytest.fixture
async def world(store: Store, people: People) -> World:
    updater = await create_user(store, WORKER, "updater")
    pusher = Pusher(store, people.agent)
    pinned = await pusher.push(AGENTS="pinned")
    both = [(await create_chat(store, people.owner, people.workspace_id)).chat.id for _ in range(2)]
    await share_chat(store, people.owner, both[0], people.other_id, Access.READ)
    await share_chat(store, people.owner, both[0], updater.id, Access.UPDATE)
    head = await pusher.push(AGENTS="head")
    snapshot, bodies = snapshot_with(AGENTS="imported")
    await import_snapshot(store, people.owner, people.workspace_id, snapshot, bodies.items())
    await store_blobs(store, people.agent, [(digest_of(b"loose"), b"loose")])
    foreign = await Pusher(store, people.foreign_agent).push(AGENTS="foreign")
    foreign_chat = await create_chat(store, people.administrator, people.foreign_workspace_id)
    callers = {
        "nobody": NOBODY,
        "worker": WORKER,
        "owner": people.owner,
        "reader": people.other,
        "updater": user_actor(updater.id),
        "administrator": people.administrator,
        "agent": people.agent,
        "foreign agent": people.foreign_agent,
    }
    manifests: dict[str, str] = {
        pinned: "pinned",
        head: "head",
        snapshot.digest: "imported",
        foreign: "foreign",
    }
    names: dict[str, str] = {
        both[0]: "shared",
        both[1]: "own",
        foreign_chat.chat.id: "foreign chat",
        people.workspace_id: "workspace",
        people.foreign_workspace_id: "foreign workspace",
        **manifests,
        **{digest_of(text.encode()): text for text in (*manifests.values(), "loose")},
    }
    for name, actor in callers.items():
        names.update({one: name for one in (actor.user_id, actor.agent_id) if one})
    for name in ("owner", "reader", "administrator"):
        user_id = callers[name].user_id
        assert user_id is not None
        row, _ = await create_user_token(store, WORKER, user_id, "a token")
        names[row.id] = f"token of {name}"
    return World(store, callers, names, manifests)


BLIND: Sight = {"nobody": set(), "agent": set(), "foreign agent": set()}


@ONE_ENGINE
@pytest.mark.parametrize(
    ("needed", "reader", "updater"),
    [
        (Access.READ, {"shared"}, {"shared"}),
        (Access.UPDATE, set(), {"shared"}),
        (Access.OWNER, set(), set()),
    ],
)
async def test_a_chat_is_seen_by_its_owner_and_as_far_as_it_is_shared(
    world: World, needed: Access, reader: set[str], updater: set[str]
) -> None:
    seen = await world.seen(lambda actor: access.visible_chats(actor, needed), chats.c.id)
    own = {"shared", "own"}
    assert seen == {
        **BLIND,
        "worker": own | {"foreign chat"},
        "administrator": own | {"foreign chat"},
        "owner": own,
        "reader": reader,
        "updater": updater,
    }


@ONE_ENGINE
async def test_what_a_caller_has_on_a_chat_is_told_beside_it(world: World) -> None:
    shared = next(key for key, name in world.names.items() if name == "shared")
    has = {}
    for name, actor in world.callers.items():
        statement = select(access.access_to_chat(actor)).where(
            chats.c.id == shared, access.visible_chats(actor)
        )
        async with world.store.database.read() as connection:
            has[name] = (await connection.execute(statement)).scalar_one_or_none()
    assert has == {
        "nobody": None,
        "agent": None,
        "foreign agent": None,
        "worker": "owner",
        "owner": "owner",
        "administrator": "owner",
        "reader": "read",
        "updater": "update",
    }


@ONE_ENGINE
async def test_a_workspace_is_seen_by_its_owner_and_its_agent(world: World) -> None:
    every = {"workspace", "foreign workspace"}
    assert await world.seen(access.visible_workspaces, workspaces.c.id) == {
        "nobody": set(),
        "reader": set(),
        "updater": set(),
        "worker": every,
        "administrator": every,
        "owner": {"workspace"},
        "agent": {"workspace"},
        "foreign agent": {"foreign workspace"},
    }


@ONE_ENGINE
async def test_an_agent_sees_itself_and_its_owner_sees_it(world: World) -> None:
    every = {"agent", "foreign agent"}
    assert await world.seen(access.visible_agents, agents.c.id) == {
        "nobody": set(),
        "reader": set(),
        "updater": set(),
        "worker": every,
        "administrator": every,
        "owner": {"agent"},
        "agent": {"agent"},
        "foreign agent": {"foreign agent"},
    }


@ONE_ENGINE
async def test_a_user_is_seen_by_itself(world: World) -> None:
    every = {"owner", "reader", "updater", "administrator"}
    assert await world.seen(access.visible_users, users.c.id) == {
        **BLIND,
        "worker": every,
        "administrator": every,
        **{name: {name} for name in ("owner", "reader", "updater")},
    }


@ONE_ENGINE
async def test_a_token_is_seen_by_whom_it_signs_in_and_by_the_owner_of_its_agent(
    world: World,
) -> None:
    async with world.store.database.read() as connection:
        rows = (
            await connection.execute(select(tokens).where(tokens.c.agent_id.is_not(None)))
        ).all()
    world.names.update({row.id: f"token of {world.names[row.agent_id]}" for row in rows})
    agents_own = {"token of agent", "token of foreign agent"}
    seen = {
        **BLIND,
        "worker": set(),
        "owner": {"token of owner", "token of agent"},
        "reader": {"token of reader"},
        "updater": set(),
        "administrator": {"token of administrator"} | agents_own,
    }
    assert await world.seen(access.visible_tokens, tokens.c.id) == seen
    people_own = {f"token of {name}" for name in ("owner", "reader", "administrator")}
    assert await world.seen(access.revocable_tokens, tokens.c.id) == {
        **seen,
        "administrator": people_own | agents_own,
    }


@ONE_ENGINE
async def test_a_snapshot_is_read_through_a_workspace_or_a_visible_chat(world: World) -> None:
    every = {"pinned", "head", "imported", "foreign"}
    assert await world.seen(access.readable_snapshots, snapshots.c.digest) == {
        **BLIND,
        "worker": every,
        "administrator": every,
        "owner": every - {"foreign"},
        "reader": {"pinned", "head"},
        "updater": {"pinned", "head"},
    }


@ONE_ENGINE
async def test_bytes_are_read_through_a_snapshot_or_the_workspace_that_keeps_them(
    world: World,
) -> None:
    for key, name in world.manifests.items():
        world.names[key] = f"manifest of {name}"
    both = {"pinned", "head", "manifest of pinned", "manifest of head"}
    own = both | {"imported", "manifest of imported", "loose"}
    every = own | {"foreign", "manifest of foreign"}
    assert await world.seen(access.readable_blobs, blobs.c.digest) == {
        **BLIND,
        "worker": every,
        "administrator": every,
        "owner": own,
        "reader": both,
        "updater": both,
    }


def outcome(call: Callable[[Actor], object], actor: Actor) -> object:
    try:
        return call(actor)
    except DriftpinError as refusal:
        return type(refusal), refusal.code


UNKNOWN = (Unauthenticated, "unauthenticated")
WRONG_TYPE = (Forbidden, "wrong_token_type")
HIDDEN = (NotFound, "not_found")


@ONE_ENGINE
async def test_h4_each_kind_of_caller_is_admitted_where_it_belongs(people: People) -> None:
    callers = [NOBODY, WORKER, people.owner, people.administrator, people.agent]
    owner, administrator = people.owner_id, people.administrator.user_id
    assert [outcome(access.require_user, actor) for actor in callers] == [
        *(UNKNOWN, WRONG_TYPE, owner, administrator, WRONG_TYPE),
    ]
    assert [outcome(access.require_agent, actor) for actor in callers] == [
        *(UNKNOWN, WRONG_TYPE, WRONG_TYPE, WRONG_TYPE, people.agent_id),
    ]
    assert [outcome(access.require_administrator, actor) for actor in callers] == [
        *(UNKNOWN, WRONG_TYPE, (Forbidden, "forbidden"), administrator, WRONG_TYPE),
    ]
    assert [outcome(access.require_worker, actor) for actor in callers] == [
        *(HIDDEN, None, HIDDEN, HIDDEN, HIDDEN),
    ]


@pytest.mark.parametrize("has", Access)
@pytest.mark.parametrize("needed", Access)
def test_more_access_includes_less(has: Access, needed: Access) -> None:
    order = [Access.READ, Access.UPDATE, Access.OWNER]
    if order.index(has) >= order.index(needed):
        access.require_access(has, needed)
    else:
        with pytest.raises(Forbidden):
            access.require_access(has, needed)
