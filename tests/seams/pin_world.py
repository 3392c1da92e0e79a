"""One deployment as a model test drives it: verbs that answer with plain values, and a whole look.

Everything that an answer holds is the same on both databases for the same calls: ids are counted
and the clock is stepped.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from driftpin.errors import DriftpinError
from driftpin.identity import WORKER, Actor, ChatId, Digest, WorkspaceId, agent_actor, user_actor
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.check_store import check_store
from driftpin.operations.collect_garbage import collect_garbage
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_user import create_user
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.operations.say_hello import say_hello
from driftpin.operations.settle_pin import settle_pin
from driftpin.operations.update_chat import update_chat
from driftpin.store.database import Database
from driftpin.store.store import Store
from driftpin.store.values import HistoryRow, PinMove
from pushing import snapshot_with
from stepping import CountingIds, SteppedClock

Answer = Any


@dataclass(slots=True)
class Running:
    """An agent with the numbers of its newest push."""

    actor: Actor
    incarnation: int
    seq: int = 0


@dataclass(slots=True)
class PinWorld:
    """One database with an owner, a workspace, its agents and chats."""

    url: str
    runner: asyncio.Runner
    clock: SteppedClock = field(default_factory=SteppedClock)
    store: Store = field(init=False)
    owner: Actor = field(init=False)
    workspace_id: WorkspaceId = field(init=False)
    agents: list[Running] = field(default_factory=list)
    chats: list[ChatId] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Open the database and make the owner with a workspace and one agent."""
        self.store = Store(Database(self.url, clock=self.clock, ids=CountingIds()))
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        user = await create_user(self.store, WORKER, "owner", is_administrator=False)
        self.owner = user_actor(user.id)
        workspace = await create_workspace(self.store, self.owner, "modelled")
        self.workspace_id = workspace.id
        await self._enrol()

    async def _enrol(self) -> int:
        row, _ = await enrol_agent(self.store, self.owner, self.workspace_id, "agent")
        actor = agent_actor(row.id, self.workspace_id)
        self.agents.append(Running(actor, 0))
        await self._greet(len(self.agents) - 1, f"run-{row.id}")
        return len(self.agents)

    async def _greet(self, index: int, run_id: str) -> int:
        agent = self.agents[index]
        hello = await say_hello(
            self.store, agent.actor, run_id=run_id, hostname="", os="", version="", roots={}
        )
        agent.incarnation, agent.seq = hello.incarnation, hello.head_seq
        return hello.incarnation

    def enrol(self) -> Answer:
        """Enrol another agent, which says hello."""
        return self._answer(self._enrol())

    def greet(self, index: int, run_id: str) -> Answer:
        """Let an agent's process start anew."""
        return self._answer(self._greet(index, run_id))

    def push(self, index: int, texts: dict[str, str], jump: int) -> Answer:
        """Push files; `jump` is 1 for the next number, 0 for the last one again, -1 for a stale."""

        async def push() -> Answer:
            agent = self.agents[index]
            snapshot, blobs = snapshot_with(**texts)
            seq = max(1, agent.seq + jump)
            outcome = await accept_snapshot(
                self.store,
                agent.actor,
                incarnation=agent.incarnation,
                seq=seq,
                snapshot=snapshot,
                observations={},
                blobs=blobs.items(),
            )
            agent.seq = max(agent.seq, seq)
            return (outcome.result, outcome.head.digest, outcome.hydrated)

        return self._answer(push())

    def create_chat(self, parent: int | None) -> Answer:
        """Create a chat, or a sub-chat of one of the chats."""

        async def create() -> Answer:
            parent_id = None if parent is None else self.chats[parent]
            view = await create_chat(self.store, self.owner, self.workspace_id, parent_id=parent_id)
            self.chats.append(view.chat.id)
            return view.chat.id

        return self._answer(create())

    def refresh(self, index: int, to: Digest | None, *, cascade: bool) -> Answer:
        """Refresh a chat, with the head that was shown or without."""
        return self._answer(
            _move(
                refresh_context(self.store, self.owner, self.chats[index], to=to, cascade=cascade)
            )
        )

    def roll_back(self, index: int, to: Digest) -> Answer:
        """Roll a chat back."""
        return self._answer(_move(roll_back_context(self.store, self.owner, self.chats[index], to)))

    def settle(self, index: int) -> Answer:
        """Do what is due for a chat, as at the start of a turn."""
        return self._answer(_move(settle_pin(self.store, WORKER, self.chats[index])))

    def archive(self, index: int, *, is_archived: bool) -> Answer:
        """Put a chat away, or bring it back."""

        async def archive() -> None:
            await update_chat(self.store, self.owner, self.chats[index], is_archived=is_archived)

        return self._answer(archive())

    def collect(self) -> Answer:
        """Collect garbage."""
        return self._answer(collect_garbage(self.store, WORKER))

    def look(self) -> list[tuple[Answer, ...]]:
        """Return what every chat runs on, and whether it is dirty."""
        return self.runner.run(self._look())

    async def _look(self) -> list[tuple[Answer, ...]]:
        seen = []
        for chat_id in self.chats:
            context = (await self.store.get_chat(self.owner, chat_id)).context
            pin = context.snapshot.digest if context.snapshot else None
            head = context.head.digest if context.head else None
            seen.append((chat_id, context.revision, pin, head, context.dirty, context.severity))
        return seen

    def history(self, index: int) -> tuple[HistoryRow, ...]:
        """Return the moves of a chat's pin, newest first."""
        page = self.runner.run(self.store.list_history(self.owner, self.chats[index], None, 200))
        return page.items

    def findings(self) -> tuple[Any, ...]:
        """Return what a check of the store finds."""
        return self.runner.run(check_store(self.store, WORKER))

    def close(self) -> None:
        """Close the database."""
        self.runner.run(self.store.database.close())

    def _answer(self, call: Awaitable[Answer]) -> Answer:
        """Return the answer, or the code of the refusal."""

        async def answered() -> Answer:
            try:
                return await call
            except DriftpinError as refusal:
                return refusal.code

        return self.runner.run(answered())


async def _move(call: Awaitable[PinMove]) -> Answer:
    move = await call
    return (move.revision, move.moved, move.snapshot.digest if move.snapshot else None)
