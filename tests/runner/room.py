"""A pinned chat with a worker, and short ways to talk in it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from driftpin.chat.messages import user_message
from driftpin.context.manifest import snapshot_of
from driftpin.context.resource import (
    InstructionBody,
    Kind,
    Resource,
    SkillBody,
    SkillFile,
    Status,
)
from driftpin.errors import Rejected
from driftpin.identity import WORKER, Actor, ChatId, Digest, digest_of
from driftpin.models.port import Model
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.send_message import send_message
from driftpin.runner.worker import TurnWorker
from driftpin.store.leases import TurnLease
from driftpin.store.store import Store
from driftpin.store.turn_values import TurnStart
from driftpin.store.values import MessageRow, TurnRow

Found = TypeVar("Found")
WAIT_S = 30
RULE = b"Indent with two spaces.\n"
SKILL = b"---\nname: tidy\ndescription: Tidies up.\n---\nRun scripts/tidy.sh first.\n"
SCRIPT = b"#!/bin/sh\necho tidied\n"


@dataclass(slots=True)
class Models:
    """Models by name; a chat that names another one gets a refusal."""

    known: dict[str, Model] = field(default_factory=dict)

    def get(self, name: str) -> Model:
        if name not in self.known:
            raise Rejected(f"{name!r} is not a model.", code="model_unknown")
        return self.known[name]


@dataclass(slots=True)
class Room:
    """A pinned chat with its worker, and short ways to talk in it."""

    store: Store
    owner: Actor
    agent: Actor
    chat_id: ChatId
    models: Models
    worker: TurnWorker
    incarnation: int
    commits: "Commits"
    seq: int = 1

    async def send(self, text: str) -> TurnRow:
        _, turn = await send_message(self.store, self.owner, self.chat_id, user_message(text))
        return turn

    async def finished(self, number: int) -> TurnRow:
        """Wait until the turn has ended."""

        async def ended() -> TurnRow | None:
            listed = await self.store.list_turns(self.owner, self.chat_id)
            turn = listed[number - 1]
            return turn if turn.finished_at is not None else None

        return await self.commits.until(ended)

    async def messages(self) -> list[MessageRow]:
        page = await self.store.list_messages(self.owner, self.chat_id, after=None, limit=100)
        return list(page.items)

    async def start_of(self, chat_id: ChatId, number: int) -> TurnStart:
        """Return what a worker would read that takes up this turn."""
        workspace_id = (await self.store.get_chat(WORKER, chat_id)).chat.workspace_id
        lease = TurnLease(chat_id, workspace_id, number, fence=1, attempt=1)
        return await self.store.read_turn_start(WORKER, lease)

    async def said(self) -> str:
        """Return the last words of the model."""
        last = (await self.messages())[-1]
        return "".join(part.get("text", "") for part in last.content["parts"])

    async def streamed(self, words: str) -> list[str]:
        """Wait until these words of the first turn can be read as they stream; return them."""

        async def read() -> list[str] | None:
            chunks = await self.store.get_stream_chunks(self.owner, self.chat_id, 1, (0, -1))
            texts = [str(chunk.content["text"]) for chunk in chunks]
            return texts if "".join(texts) == words else None

        return await self.commits.until(read)

    async def push(self, rule: bytes) -> None:
        """Let the agent push another rule."""
        self.seq += 1
        await push(self.store, self.agent, self.incarnation, self.seq, rule)

    async def push_without_skill(self, rule: bytes) -> None:
        """Let the agent push another rule and no skill any more."""
        self.seq += 1
        await push(self.store, self.agent, self.incarnation, self.seq, rule, has_skill=False)


@dataclass(slots=True)
class Commits:
    """Wakes whoever waits for the next commit that recorded an event, and workers as a server."""

    happened: asyncio.Event = field(default_factory=asyncio.Event)
    workers: list[TurnWorker] = field(default_factory=list)

    def announce(self) -> None:
        self.happened.set()
        for worker in self.workers:
            worker.wake()

    def announce_step(self) -> None:
        self.happened.set()

    async def until(self, look: Callable[[], Awaitable[Found | None]]) -> Found:
        """Return what `look` finds, asking after each commit; fail after a while."""

        async def ask() -> Found:
            while True:
                self.happened.clear()
                if (found := await look()) is not None:
                    return found
                await self.happened.wait()

        return await asyncio.wait_for(ask(), WAIT_S)


async def push(
    store: Store,
    agent: Actor,
    incarnation: int,
    seq: int,
    rule: bytes,
    *,
    has_skill: bool = True,
) -> None:
    files = tuple(
        SkillFile(path, executable, digest_of(body))
        for path, executable, body in (
            ("SKILL.md", False, SKILL),
            ("scripts/tidy.sh", True, SCRIPT),
        )
    )
    resources = [
        Resource(
            Kind.INSTRUCTION_FILE,
            "workspace:AGENTS.md",
            Status.OK,
            body=InstructionBody(digest_of(rule)),
        ),
        Resource(
            Kind.SKILL,
            "workspace:.agents/skills/tidy",
            Status.OK,
            body=SkillBody("tidy", "Tidies up.", files),
        ),
    ]
    blobs: dict[Digest, bytes] = {digest_of(body): body for body in (rule, SKILL, SCRIPT)}
    await accept_snapshot(
        store,
        agent,
        incarnation=incarnation,
        seq=seq,
        snapshot=snapshot_of(resources if has_skill else resources[:1]),
        observations={},
        blobs=tuple(blobs.items()),
    )
