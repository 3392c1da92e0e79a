"""The world in which every caller tries every door: one pinned chat, shared with two."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from driftpin.chat.messages import user_message
from driftpin.context.manifest import snapshot_of
from driftpin.context.resource import InstructionBody, Kind, Resource, Status
from driftpin.identity import (
    NOBODY,
    WORKER,
    Actor,
    AgentId,
    ChatId,
    Digest,
    ReviewId,
    TokenId,
    UserId,
    WorkspaceId,
    digest_of,
    user_actor,
)
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_user import create_user
from driftpin.operations.create_user_token import create_user_token
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.publish_review import publish_review
from driftpin.operations.say_hello import say_hello
from driftpin.operations.send_message import send_message
from driftpin.operations.share_chat import share_chat
from driftpin.store.store import Store
from driftpin.store.values import Access
from people import People
from review_documents import document_of, record_of
from seams.sql_recorder import Recorder
from stepping import SteppedClock


class Caller(StrEnum):
    """Every kind of caller."""

    NOBODY = "nobody"
    OWNER = "owner"
    READER = "reader"
    UPDATER = "updater"
    OTHER = "other"
    ADMINISTRATOR = "administrator"
    OWN_AGENT = "own_agent"
    OTHER_AGENT = "other_agent"
    WORKER = "worker"


AGENTS = frozenset({Caller.OWN_AGENT, Caller.OTHER_AGENT})
PEOPLE = frozenset(
    {Caller.OWNER, Caller.READER, Caller.UPDATER, Caller.OTHER, Caller.ADMINISTRATOR}
)
MASTERS = frozenset({Caller.OWNER, Caller.ADMINISTRATOR})
READERS = MASTERS | {Caller.READER, Caller.UPDATER}
UPDATERS = MASTERS | {Caller.UPDATER}
# What a refused door says to callers that no user's token stands behind.
NO_USERS = {
    "unauthenticated": frozenset({Caller.NOBODY}),
    "wrong_token_type": AGENTS | {Caller.WORKER},
}

Outcomes = Mapping[Caller, str]

# Names of nothing, in the shape of names of something.
NO_ID: Final = "01890000-0000-7000-8000-00000000dead"
NO_DIGEST: Final = digest_of(b"nobody ever stored this")
NO_NUMBER: Final = 999_999


@dataclass(slots=True)
class World:
    """What there is, and ways to make more of it where a row needs its own.

    While it `is_nowhere` every name that it gives is the name of nothing: a row that is tried then
    asks for what does not exist, in the very same calls. What its methods prepare is not recorded.
    """

    store: Store
    people: People
    clock: SteppedClock
    reader_id: UserId
    updater_id: UserId
    recorder: Recorder = field(init=False)
    is_nowhere: bool = field(default=False)
    pushes: int = field(default=0)
    _chat_id: ChatId = field(init=False)
    _head: Digest = field(init=False)
    _blob: Digest = field(init=False)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.store.database)

    @property
    def chat_id(self) -> ChatId:
        """The first chat of the owner."""
        return ChatId(NO_ID) if self.is_nowhere else self._chat_id

    @property
    def head(self) -> Digest:
        """What the owner's agent pushed first."""
        return NO_DIGEST if self.is_nowhere else self._head

    @property
    def blob(self) -> Digest:
        """The file that it pushed."""
        return NO_DIGEST if self.is_nowhere else self._blob

    @property
    def workspace_id(self) -> WorkspaceId:
        """The owner's workspace."""
        return WorkspaceId(NO_ID) if self.is_nowhere else self.people.workspace_id

    @property
    def agent_id(self) -> AgentId:
        """The owner's agent."""
        return AgentId(NO_ID) if self.is_nowhere else self.people.agent_id

    @property
    def owner_id(self) -> UserId:
        """The owner."""
        return UserId(NO_ID) if self.is_nowhere else self.people.owner_id

    def actor_of(self, caller: Caller) -> Actor:
        """Return the actor that the caller is."""
        return {
            Caller.NOBODY: NOBODY,
            Caller.OWNER: self.people.owner,
            Caller.READER: user_actor(self.reader_id),
            Caller.UPDATER: user_actor(self.updater_id),
            Caller.OTHER: self.people.other,
            Caller.ADMINISTRATOR: self.people.administrator,
            Caller.OWN_AGENT: self.people.agent,
            Caller.OTHER_AGENT: self.people.foreign_agent,
            Caller.WORKER: WORKER,
        }[caller]

    async def fresh_chat(self) -> ChatId:
        """Return a new chat of the owner, shared as the first one is."""
        if self.is_nowhere:
            return ChatId(NO_ID)
        with self.recorder.aside():
            view = await create_chat(
                self.store, self.people.owner, self.workspace_id, title="a chat"
            )
            for user_id, access in (
                (self.reader_id, Access.READ),
                (self.updater_id, Access.UPDATE),
            ):
                await share_chat(self.store, self.people.owner, view.chat.id, user_id, access)
        return view.chat.id

    async def drifted_chat(self) -> ChatId:
        """Return a shared chat that is pinned to another snapshot than the head."""
        chat_id = await self.fresh_chat()
        with self.recorder.aside():
            await self.push(f"be kinder {self.pushes}")
        return chat_id

    async def fresh_token(self) -> tuple[TokenId, str]:
        """Return a new token of the owner with its secret."""
        with self.recorder.aside():
            row, secret = await create_user_token(
                self.store, self.people.owner, self.people.owner_id, "spare"
            )
        return (TokenId(NO_ID) if self.is_nowhere else row.id), secret

    async def fresh_review(self) -> ReviewId:
        """Return a review in the owner's workspace."""
        with self.recorder.aside():
            row = await publish_review(
                self.store, self.people.owner, self.people.workspace_id, record_of(document_of())
            )
        return ReviewId(NO_ID) if self.is_nowhere else row.id

    async def fresh_agent(self) -> AgentId:
        """Return a new agent of the owner's workspace."""
        with self.recorder.aside():
            row, _ = await enrol_agent(
                self.store, self.people.owner, self.people.workspace_id, "spare"
            )
        return AgentId(NO_ID) if self.is_nowhere else row.id

    async def fresh_workspace(self) -> WorkspaceId:
        """Return a new workspace of the owner."""
        with self.recorder.aside():
            row = await create_workspace(self.store, self.people.owner, "spare")
        return WorkspaceId(NO_ID) if self.is_nowhere else row.id

    async def pin_event(self) -> int:
        """Return the event that pinned the first chat."""
        with self.recorder.aside():
            page = await self.store.list_history(self.people.owner, self._chat_id, None, 1)
        return NO_NUMBER if self.is_nowhere else page.items[0].event_id

    async def push(self, text: str) -> Digest:
        """Push one instruction file from the owner's agent."""
        body = text.encode()
        resource = Resource(
            Kind.INSTRUCTION_FILE,
            "workspace:AGENTS.md",
            Status.OK,
            body=InstructionBody(digest_of(body)),
        )
        snapshot = snapshot_of([resource])
        self.pushes += 1
        await accept_snapshot(
            self.store,
            self.people.agent,
            incarnation=1,
            seq=self.pushes,
            snapshot=snapshot,
            observations={},
            blobs=[(digest_of(body), body)],
        )
        return snapshot.digest


@dataclass(frozen=True, slots=True)
class Row:
    """One door: its name, how to try it, and what each caller finds.

    An outcome is `ok`, `nothing` for an empty answer, or the code of a refusal.
    """

    name: str
    attempt: Callable[[World, Actor], Awaitable[object]]
    outcomes: Outcomes


def outcomes(otherwise: str, **groups: Iterable[Caller]) -> Outcomes:
    """Return `otherwise` for every caller that is in none of the groups, named by outcome."""
    found = dict.fromkeys(Caller, otherwise)
    for outcome, callers in groups.items():
        found |= dict.fromkeys(callers, outcome)
    return found


async def build_world(store: Store, people: People, clock: SteppedClock) -> World:
    """Return a world with a head, a chat that was pinned to it, and a message in the chat."""
    ids = [(await create_user(store, WORKER, name)).id for name in ("reader", "updater")]
    world = World(store, people, clock, reader_id=ids[0], updater_id=ids[1])
    await say_hello(store, people.agent, run_id="run", hostname="", os="", version="", roots={})
    world._head = await world.push("be kind")
    world._blob = digest_of(b"be kind")
    world._chat_id = await world.fresh_chat()
    await send_message(store, people.owner, world.chat_id, user_message("hello"))
    return world
