"""The world in which every caller tries every door: one pinned chat, shared with two."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

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
    UserId,
    WorkspaceId,
    digest_of,
    user_actor,
)
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_user import create_user
from driftpin.operations.say_hello import say_hello
from driftpin.operations.send_message import send_message
from driftpin.operations.share_chat import share_chat
from driftpin.store.store import Store
from driftpin.store.values import Access
from people import People
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


@dataclass(slots=True)
class World:
    """What there is, and ways to make more of it where a row needs its own."""

    store: Store
    people: People
    clock: SteppedClock
    reader_id: UserId
    updater_id: UserId
    chat_id: ChatId = field(init=False)
    head: Digest = field(init=False)
    blob: Digest = field(init=False)
    pushes: int = field(default=0)

    @property
    def workspace_id(self) -> WorkspaceId:
        """The owner's workspace."""
        return self.people.workspace_id

    @property
    def agent_id(self) -> AgentId:
        """The owner's agent."""
        return self.people.agent_id

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
        view = await create_chat(self.store, self.people.owner, self.workspace_id, title="a chat")
        for user_id, access in (
            (self.reader_id, Access.READ),
            (self.updater_id, Access.UPDATE),
        ):
            await share_chat(self.store, self.people.owner, view.chat.id, user_id, access)
        return view.chat.id

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
    world.head = await world.push("be kind")
    world.blob = digest_of(b"be kind")
    world.chat_id = await world.fresh_chat()
    await send_message(store, people.owner, world.chat_id, user_message("hello"))
    return world
