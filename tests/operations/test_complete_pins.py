"""Holes: a server that had not settled when its snapshot was pinned is filled in once."""

import pytest

from driftpin.context.holds import Selection
from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.context.resource import (
    Catalogue,
    InstructionBody,
    Kind,
    Resource,
    ServerBody,
    Status,
    ToolEntry,
)
from driftpin.identity import WORKER, Actor, ChatId, Digest, digest_of
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.check_store import check_store
from driftpin.operations.create_chat import create_chat
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.operations.say_hello import say_hello
from driftpin.operations.settle_pin import settle_pin
from driftpin.operations.update_chat import update_chat
from driftpin.store.store import Store
from driftpin.store.values import ContextSummary, PushOutcome
from people import People

LAUNCH = b'{"command":"run"}'
OTHER_LAUNCH = b'{"command":"other"}'


def tool(text: str = "Reads.") -> bytes:
    return b'{"description":"%s","name":"read"}' % text.encode()


class Scene:
    """An agent that pushes one file and one server, and chats that are pinned to it."""

    def __init__(self, store: Store, people: People) -> None:
        self.store = store
        self.people = people
        self.seq = 0

    async def push(
        self, definition: bytes | None, *, rules: str = "be kind", launch: bytes = LAUNCH
    ) -> PushOutcome:
        if self.seq == 0:
            await say_hello(
                self.store,
                self.people.agent,
                run_id="r",
                hostname="",
                os="",
                version="",
                roots={},
            )
        self.seq += 1
        snapshot, blobs = contents(definition, rules, launch)
        return await accept_snapshot(
            self.store,
            self.people.agent,
            incarnation=1,
            seq=self.seq,
            snapshot=snapshot,
            observations={},
            blobs=blobs.items(),
        )

    async def chat(self, parent: ChatId | None = None) -> ChatId:
        owner, workspace_id = self.people.owner, self.people.workspace_id
        return (await create_chat(self.store, owner, workspace_id, parent_id=parent)).chat.id

    async def context(self, chat_id: ChatId) -> ContextSummary:
        return (await self.store.get_chat(self.people.owner, chat_id)).context

    async def verbs(self, chat_id: ChatId) -> list[str]:
        page = await self.store.list_history(self.people.owner, chat_id, None, 50)
        return [row.verb for row in reversed(page.items)]


def contents(
    definition: bytes | None, rules: str, launch: bytes
) -> tuple[Snapshot, dict[Digest, bytes]]:
    bodies = [rules.encode(), launch, *([definition] if definition else [])]
    catalogue = None
    if definition is not None:
        catalogue = Catalogue(None, (ToolEntry("read", digest_of(definition)),))
    snapshot = snapshot_of(
        [
            Resource(
                Kind.INSTRUCTION_FILE,
                "workspace:AGENTS.md",
                Status.OK,
                body=InstructionBody(digest_of(rules.encode())),
            ),
            Resource(
                Kind.MCP_SERVER,
                "mcp:one",
                Status.OK,
                body=ServerBody(digest_of(launch), catalogue),
            ),
        ]
    )
    return snapshot, {digest_of(body): body for body in bodies}


@pytest.fixture
def scene(store: Store, people: People) -> Scene:
    return Scene(store, people)


async def test_a_chat_pinned_while_its_server_connects_is_completed_without_a_badge(
    scene: Scene,
) -> None:
    await scene.push(None)
    chat_id = await scene.chat()
    assert not (await scene.context(chat_id)).complete
    head = (await scene.push(tool())).head
    context = await scene.context(chat_id)
    assert context.complete
    assert not context.dirty
    assert context.snapshot == head
    assert await scene.verbs(chat_id) == ["hydrate", "complete"]
    assert await check_store(scene.store, WORKER) == ()


async def test_only_the_hole_is_filled_and_the_rest_stays_drift(scene: Scene) -> None:
    await scene.push(None)
    chat_id = await scene.chat()
    await scene.push(tool(), rules="be quick")
    context = await scene.context(chat_id)
    assert context.complete
    assert context.dirty
    drift = (await scene.store.read_drift(scene.people.owner, chat_id)).drift
    assert [entry.source for entry in drift.entries] == ["workspace:AGENTS.md"]


async def test_a_hole_is_filled_once_and_then_pinned_like_a_file(scene: Scene) -> None:
    await scene.push(None)
    chat_id = await scene.chat()
    await scene.push(tool())
    await scene.push(tool("Writes."))
    context = await scene.context(chat_id)
    assert context.dirty
    assert context.revision == 2


async def test_another_identity_fills_nothing(scene: Scene) -> None:
    await scene.push(None)
    chat_id = await scene.chat()
    await scene.push(tool(), launch=OTHER_LAUNCH)
    context = await scene.context(chat_id)
    assert not context.complete
    assert context.dirty
    assert await scene.verbs(chat_id) == ["hydrate"]


async def test_d29_a_risky_catalogue_is_shown_as_drift_instead(scene: Scene) -> None:
    await scene.push(None)
    chat_id = await scene.chat()
    await scene.push(tool("Reads.\u200b"))
    context = await scene.context(chat_id)
    assert not context.complete
    assert context.severity == "risky"


async def test_a_sub_chat_stays_as_it_was_born(scene: Scene) -> None:
    await scene.push(None)
    parent = await scene.chat()
    child = await scene.chat(parent)
    await scene.push(tool())
    assert (await scene.context(parent)).complete
    assert not (await scene.context(child)).complete


async def test_an_archived_chat_is_completed_when_it_comes_back(scene: Scene) -> None:
    await scene.push(None)
    chat_id = await scene.chat()
    owner: Actor = scene.people.owner
    await update_chat(scene.store, owner, chat_id, is_archived=True)
    await scene.push(tool())
    assert not (await scene.context(chat_id)).complete
    await update_chat(scene.store, owner, chat_id, is_archived=False)
    await settle_pin(scene.store, WORKER, chat_id)
    assert (await scene.context(chat_id)).complete
    assert (await settle_pin(scene.store, WORKER, chat_id)).moved is False


async def test_a_turn_leaves_a_hole_that_the_head_does_not_fill(scene: Scene) -> None:
    await scene.push(None)
    chat_id = await scene.chat()
    await scene.push(None, rules="be quick")
    move = await settle_pin(scene.store, WORKER, chat_id)
    assert (move.moved, move.revision) == (False, 1)
    assert not (await scene.context(chat_id)).complete
    assert await scene.verbs(chat_id) == ["hydrate"]


async def test_many_chats_on_two_snapshots_are_completed_by_one_push(scene: Scene) -> None:
    await scene.push(None)
    first = [await scene.chat() for _ in range(3)]
    await scene.push(None, rules="be quick")
    second = [await scene.chat() for _ in range(2)]
    await scene.push(tool(), rules="be quick")
    contexts = [await scene.context(chat_id) for chat_id in (*first, *second)]
    assert all(context.complete for context in contexts)
    assert [context.dirty for context in contexts] == [True] * 3 + [False] * 2


async def test_a_refresh_of_a_hole_moves_to_the_head_like_any_other(scene: Scene) -> None:
    await scene.push(None)
    chat_id = await scene.chat()
    await scene.push(tool("Reads.\u200b"))
    move = await refresh_context(scene.store, scene.people.owner, chat_id)
    assert move.moved
    assert (await scene.context(chat_id)).complete


async def test_a_hole_whose_tools_are_held_off_is_not_filled(scene: Scene) -> None:
    holed = (await scene.push(None)).head.digest
    chat_id = await scene.chat()
    await scene.push(tool())
    await roll_back_context(scene.store, scene.people.owner, chat_id, holed)
    held_off = Selection(frozenset(), frozenset({"mcp:one"}))
    await refresh_context(scene.store, scene.people.owner, chat_id, selection=held_off)
    await settle_pin(scene.store, WORKER, chat_id)
    context = await scene.context(chat_id)
    assert (context.complete, context.dirty, context.held) == (False, False, 1)
    await scene.push(tool("Reads better."))
    assert (await scene.context(chat_id)).complete
    assert await check_store(scene.store, WORKER) == ()
