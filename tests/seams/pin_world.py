"""One deployment as a model test drives it: verbs that answer with plain values.

Agents and chats are named by their place, people by their names. Everything that an answer holds is
the same on both databases for the same calls: ids are counted and the clock is stepped.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import Any

from driftpin.context.manifest import Snapshot
from driftpin.errors import DriftpinError
from driftpin.events.event import Event, Position
from driftpin.identity import (
    NOBODY,
    WORKER,
    Actor,
    AgentId,
    ChatId,
    Digest,
    UserId,
    WorkspaceId,
    agent_actor,
    digest_of,
    user_actor,
)
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.check_store import check_store
from driftpin.operations.collect_garbage import collect_garbage
from driftpin.operations.create_user import create_user
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.delete_agent import delete_agent
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.import_snapshot import import_snapshot
from driftpin.operations.say_hello import say_hello
from driftpin.operations.store_blobs import store_blobs
from driftpin.store.database import Database
from driftpin.store.store import Store
from driftpin.store.values import PinMove
from pushing import snapshot_with
from seams.expected import ADMINISTRATOR, OWNER
from seams.expected_pushes import Lie
from stepping import CountingIds, SteppedClock

Answer = Any
PEOPLE = (OWNER, ADMINISTRATOR, "ann", "bob", "eve")
# What only the administrator's own workspace holds.
FOREIGN_TEXT = "Known next door only"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A verb that was refused: its code, and what the caller is told beside it."""

    code: str
    fields: tuple[tuple[str, Any], ...]


@dataclass(slots=True)
class Inhabitants:
    """Who and what is there from the beginning, and how far its ids were counted."""

    actors: dict[str, Actor] = field(default_factory=dict)
    user_ids: dict[str, UserId] = field(default_factory=dict)
    workspace_id: WorkspaceId = field(default=WorkspaceId(""))
    agents: list[Actor] = field(default_factory=list)
    ids: CountingIds = field(default_factory=CountingIds)


@dataclass(slots=True)
class PinWorld:
    """One open database; `restart` closes it and opens it again."""

    url: str
    runner: asyncio.Runner
    inhabitants: Inhabitants = field(default_factory=Inhabitants)
    clock: SteppedClock = field(default_factory=SteppedClock)
    chats: list[ChatId] = field(default_factory=list)
    # A database that is closed for now; it keeps the statements that it has prepared.
    kept: Database | None = None
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = self._open() if self.kept is None else Store(self.kept)

    def _open(self) -> Store:
        return Store(Database(self.url, clock=self.clock, ids=self.inhabitants.ids))

    def restart(self) -> None:
        """End the server's connections and begin anew on the same data."""
        self.close()
        self.store = self._open()

    def close(self) -> None:
        """Close the database."""
        self.runner.run(self.store.database.close())

    def settle_in(self) -> None:
        """Make the people, two workspaces, an agent in each, and what the foreign one holds."""
        self.runner.run(self._settle_in())

    async def _settle_in(self) -> None:
        there = self.inhabitants
        for name in PEOPLE:
            is_administrator = name == ADMINISTRATOR
            user = await create_user(self.store, WORKER, name, is_administrator=is_administrator)
            there.actors[name] = user_actor(user.id, is_administrator=is_administrator)
            there.user_ids[name] = user.id
        owned = await create_workspace(self.store, there.actors[OWNER], "modelled")
        there.workspace_id = owned.id
        await self._enrol()
        there.actors |= {"agent": there.agents[0], "nobody": NOBODY}
        foreign = await create_workspace(self.store, there.actors[ADMINISTRATOR], "next door")
        snapshot, blobs = snapshot_with(AGENTS=FOREIGN_TEXT)
        await import_snapshot(
            self.store, there.actors[ADMINISTRATOR], foreign.id, snapshot, blobs.items()
        )

    async def _enrol(self) -> int:
        there = self.inhabitants
        row, _ = await enrol_agent(
            self.store, there.actors[OWNER], there.workspace_id, f"agent {len(there.agents)}"
        )
        there.agents.append(agent_actor(row.id, there.workspace_id))
        return len(there.agents)

    def enrol(self) -> Answer:
        """Enrol another agent, which does nothing yet."""
        return self.ask(self._enrol())

    def hello(self, index: int, run: str) -> Answer:
        """Let an agent's run say hello."""

        async def greet() -> Answer:
            outcome = await say_hello(
                self.store,
                self.inhabitants.agents[index],
                run_id=run,
                hostname="",
                os="",
                version="",
                roots={},
            )
            head = outcome.head.digest if outcome.head else None
            return (outcome.incarnation, head, outcome.head_seq)

        return self.ask(greet())

    def push(self, index: int, place: tuple[int, int], texts: dict[str, str], lie: Lie) -> Answer:
        """Push files under (incarnation, seq), truly or not."""

        async def push() -> Answer:
            snapshot, blobs = told(texts, lie)
            outcome = await accept_snapshot(
                self.store,
                self.inhabitants.agents[index],
                incarnation=place[0],
                seq=place[1],
                snapshot=snapshot,
                observations={},
                blobs=blobs.items(),
            )
            return (outcome.result.value, outcome.head.digest, outcome.hydrated)

        return self.ask(push())

    def upload(self, index: int, text: str, *, is_lying: bool) -> Answer:
        """Send bytes ahead of a push."""
        digest = digest_of(b"something else" if is_lying else text.encode())
        sent = [(digest, text.encode())]
        return self.ask(store_blobs(self.store, self.inhabitants.agents[index], sent))

    def delete_agent(self, by: str, index: int) -> Answer:
        """Delete an agent."""
        return self.ask(delete_agent(self.store, self.actor(by), self.agent_id(index)))

    def collect(self) -> Answer:
        """Collect garbage until there is none."""

        async def collect() -> Answer:
            reports = [await collect_garbage(self.store, WORKER)]
            while not reports[-1].is_empty:
                reports.append(await collect_garbage(self.store, WORKER))
            return reports

        return self.ask(collect())

    def findings(self) -> list[str]:
        """Return what a check of the store finds."""
        return [finding.id for finding in self.runner.run(check_store(self.store, WORKER))]

    def actor(self, name: str) -> Actor:
        """Return the actor behind a name."""
        return self.inhabitants.actors[name]

    def agent_id(self, index: int) -> AgentId:
        """Return an agent's id."""
        agent_id = self.inhabitants.agents[index].agent_id
        assert agent_id is not None
        return agent_id

    def place_of_agent(self, agent_id: AgentId | None) -> int | None:
        """Return where an agent stands in the list."""
        known = [self.agent_id(index) for index in range(len(self.inhabitants.agents))]
        return None if agent_id is None else known.index(agent_id)

    def ask(self, call: Awaitable[Answer]) -> Answer:
        """Return the answer, or the refusal."""

        async def answered() -> Answer:
            try:
                return await call
            except DriftpinError as refusal:
                return Refusal(refusal.code, tuple(sorted(refusal.fields.items())))

        return self.runner.run(answered())

    def move(self, call: Awaitable[PinMove]) -> Answer:
        """Return where a pin stands after a verb."""

        async def moved() -> Answer:
            move = await call
            return (move.revision, move.moved, move.snapshot.digest if move.snapshot else None)

        return self.ask(moved())

    def list_as(self, by: str) -> dict[int, tuple[Answer, ...]]:
        """Return what a list of chats shows somebody, by the place of the chat."""

        async def listed() -> dict[int, tuple[Answer, ...]]:
            page = await self.store.list_chats(self.actor(by), is_archived=None, limit=100)
            assert page.next is None
            seen = {}
            for view in page.items:
                context = view.context
                seen[self.chats.index(view.chat.id)] = (
                    view.access.value,
                    context.revision,
                    context.snapshot.digest if context.snapshot else None,
                    context.head.digest if context.head else None,
                    context.dirty,
                    context.dirty_since,
                    context.severity,
                    self.place_of_agent(context.agent_id),
                    context.error,
                    context.held,
                )
            return seen

        return self.runner.run(listed())

    def dirty_as(self, by: str) -> set[int]:
        """Return the chats that the filter of the list calls dirty."""

        async def listed() -> set[int]:
            page = await self.store.list_chats(
                self.actor(by), is_archived=None, is_dirty=True, limit=100
            )
            return {self.chats.index(view.chat.id) for view in page.items}

        return self.runner.run(listed())

    def first_position(self) -> Position:
        """Return where the events begin that are still kept."""
        return self.runner.run(self.store.first_and_last_position(WORKER))[0]

    def last_position(self) -> Position:
        """Return where the events end."""
        return self.runner.run(self.store.first_and_last_position(WORKER))[1]

    def has_lost_events(self, position: Position) -> bool:
        """Whether events behind a position were removed, so that a reader must list again."""
        first, _ = self.runner.run(self.store.first_and_last_position(WORKER))
        return position < first

    def events_for(self, by: str, after: Position) -> list[Event]:
        """Return what somebody hears behind a position."""

        async def hear() -> list[Event]:
            found: list[Event] = []
            place = after
            while True:
                events, following = await self.store.list_events(
                    self.actor(by), after=place, limit=100
                )
                found += events
                if following == place:
                    return found
                place = following

        return self.runner.run(hear())

    def everything_told(self) -> list[tuple[Answer, ...]]:
        """Return what the events say, without their numbers."""
        return [
            (event.kind, event.at, event.chat_id, event.agent_id, event.payload)
            for event in self.events_for(ADMINISTRATOR, self.first_position())
        ]

    def moved_by(self, by: str, event: int) -> set[int]:
        """Return the chats that one event stands for, as somebody is told."""
        moves = self.runner.run(self.store.list_pin_moves(self.actor(by), event, limit=100))
        return {self.chats.index(move.chat_id) for move in moves}

    def may_read(self, by: str, digest: Digest) -> bool:
        """Whether somebody is given the manifest of a snapshot."""
        return not isinstance(
            self.ask(self.store.get_snapshot_manifest(self.actor(by), digest)), Refusal
        )


def told(texts: dict[str, str], lie: Lie) -> tuple[Snapshot, dict[Digest, bytes]]:
    """Return what an agent sends: the truth, unless it lies."""
    snapshot, blobs = snapshot_with(**texts)
    if lie.digest:
        snapshot = replace(snapshot, digest=digest_of(b"another"))
    if lie.prompt_digest:
        snapshot = replace(snapshot, prompt_digest=digest_of(b"another"))
    if lie.body:
        blobs = {digest: content + b"!" for digest, content in blobs.items()}
    return snapshot, {} if lie.withheld else blobs


__all__ = ["FOREIGN_TEXT", "PEOPLE", "Answer", "Inhabitants", "PinWorld", "Refusal", "told"]
