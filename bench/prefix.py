"""What a provider's cache can serve while a workspace changes: of pinned chats, and live ones.

A thousand pushes, each with one edit. After each a pinned chat and a chat that follows are asked
the same; following is the product's own, with the pin moved to the head before every turn. A new
pair of chats begins every 25 turns. A cache can serve what a request has in common with the one
before it in its chat, from the first byte on; tokens are estimated. That other chats may have
filled it, and that providers serve whole blocks for some minutes only, is left out on both sides.
"""

import asyncio
import random
import tempfile
from bisect import bisect_right
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import rfc8785

from bench.report import Report
from bench.world import Contents, World, open_store, prose
from driftpin.chat.messages import message_to_json, user_message
from driftpin.chat.tools import canonical_tools
from driftpin.clock import SystemClock
from driftpin.context.manifest import Json, snapshot_of
from driftpin.context.resource import (
    InstructionBody,
    Kind,
    Resource,
    ServerBody,
    SkillBody,
    SkillFile,
    Status,
)
from driftpin.context.tokens import estimate_tokens
from driftpin.context.tool_catalogue import read_catalogue
from driftpin.identity import Actor, AgentId, ChatId, Digest, digest_of
from driftpin.models.port import Finished, FinishReason, Model, ModelEvent, ModelRequest, TextDelta
from driftpin.operations.create_chat import create_chat
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.send_message import send_message
from driftpin.runner.agent_tools import AgentTools
from driftpin.runner.worker import TurnWorker
from driftpin.store.store import Store
from driftpin.store.values import TurnState

PUSHES: Final = 1_000
TURNS_PER_CHAT: Final = 25
TURN_WAIT_S: Final = 30
FILES: Final = {"AGENTS.md": 6_000, "CLAUDE.md": 3_000, "GEMINI.md": 1_500}
SKILLS: Final = 12
TOOLS: Final = 20
# Of a hundred edits so many touch each of these.
EDITS: Final = {"file": 45, "skill_text": 35, "skill_description": 10, "tool": 10}


SERVER: Final = "mcp:tracker"
LAUNCH: Final = b'{"args":[],"command":"tracker","transport":"stdio"}'
Key = tuple[str, int]


class Workspace:
    """The files, skills and tools of a workspace; one edit at a time."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._edits = 0
        sizes = {
            **{("file", number): size for number, size in enumerate(FILES.values())},
            **{("skill_text", number): 4_000 for number in range(SKILLS)},
            **{("skill_description", number): 120 for number in range(SKILLS)},
            **{("tool", number): 400 for number in range(TOOLS)},
        }
        self._texts = {
            key: prose(place, 0, size_bytes)
            for place, (key, size_bytes) in enumerate(sizes.items())
        }

    def edit(self) -> None:
        """Put another word into one text, somewhere."""
        self._edits += 1
        (kind,) = self._draw.choices(list(EDITS), list(EDITS.values()))
        key = self._draw.choice([key for key in self._texts if key[0] == kind])
        words = self._texts[key].split(b" ")
        words[self._draw.randrange(len(words))] = b"word%d" % self._edits
        self._texts[key] = b" ".join(words)

    def contents(self) -> Contents:
        """Return what an agent pushes of it now."""
        files = [self._texts["file", number] for number in range(len(FILES))]
        skills = [self._texts["skill_text", number] for number in range(SKILLS)]
        catalogue = read_catalogue(None, map(self._tool, range(TOOLS)))
        resources = [
            *(
                Resource(
                    Kind.INSTRUCTION_FILE,
                    f"workspace:{name}",
                    Status.OK,
                    body=InstructionBody(digest_of(text)),
                )
                for name, text in zip(FILES, files, strict=True)
            ),
            *(self._skill(number, digest_of(text)) for number, text in enumerate(skills)),
            Resource(
                Kind.MCP_SERVER,
                SERVER,
                Status.OK,
                body=ServerBody(digest_of(LAUNCH), catalogue.catalogue),
            ),
        ]
        bodies = {digest_of(content): content for content in (*files, *skills, LAUNCH)}
        return Contents(snapshot_of(resources), {**bodies, **catalogue.blobs})

    def _skill(self, number: int, digest: Digest) -> Resource:
        name = f"skill-{number}"
        description = self._texts["skill_description", number].decode()
        body = SkillBody(
            name, description, (SkillFile("SKILL.md", executable=False, digest=digest),)
        )
        return Resource(Kind.SKILL, f"workspace:.agents/skills/{name}", Status.OK, body=body)

    def _tool(self, number: int) -> dict[str, Json]:
        return {
            "name": f"tool_{number}",
            "description": self._texts["tool", number].decode(),
            "inputSchema": {"type": "object", "properties": {"query": {"type": "string"}}},
        }


@dataclass(slots=True)
class CachedModel:
    """Answers with a sentence, and counts what a cache could have served of what it was sent."""

    name: str
    context_budget_tokens: int = 200_000
    requests: int = 0
    changed_prefixes: int = 0
    sent_tokens: int = 0
    cached_tokens: int = 0
    _first_prefix: bytes = b""
    _last: bytes = b""

    def begin_chat(self) -> None:
        """Forget the chat before."""
        self._first_prefix = self._last = b""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self._count(request)
        yield TextDelta("It does what the rules of this workspace say, and the tests agree.")
        yield Finished(FinishReason.STOP)

    async def close(self) -> None:
        return None

    def _count(self, request: ModelRequest) -> None:
        prefix = canonical_tools(request.tools) + request.prompt.text.encode()
        messages = [rfc8785.dumps(message_to_json(message)) for message in request.messages]
        sent = b"\n".join([prefix, *messages])
        self.requests += 1
        self.changed_prefixes += bool(self._first_prefix) and prefix != self._first_prefix
        self.sent_tokens += estimate_tokens(sent)
        self.cached_tokens += estimate_tokens(sent[: _common_bytes(self._last, sent)])
        self._first_prefix = self._first_prefix or prefix
        self._last = sent


def _common_bytes(first: bytes, second: bytes) -> int:
    """Return with how many equal bytes both begin."""
    return bisect_right(
        range(1, min(len(first), len(second)) + 1), 0, key=lambda end: first[:end] != second[:end]
    )


@dataclass(frozen=True, slots=True)
class Models:
    """The two models, each asked by its own chats."""

    known: Mapping[str, CachedModel]

    def get(self, name: str) -> Model:
        return self.known[name]


class NobodyCalls:
    """Stands where agents are asked: tools are offered here, and none is called."""

    async def call(
        self,
        actor: Actor,
        agent_id: AgentId,
        method: str,
        params: Mapping[str, object],
        *,
        about: Mapping[str, str],
        on_progress: object = None,
    ) -> object:
        told = f"with {params} about {about} for {on_progress}"
        raise AssertionError(f"{actor} called {method} of {agent_id} {told}")


class Talk:
    """One workspace, its agent, a worker, and the chats that are asked."""

    def __init__(self, store: Store, pinned: CachedModel, live: CachedModel) -> None:
        self._world = World(store)
        self._store = store
        self._pinned, self._live = pinned, live
        models = Models({model.name: model for model in (pinned, live)})
        tools = AgentTools(store, NobodyCalls())
        self._worker = TurnWorker(store, models, SystemClock(), name="bench", agent_tools=tools)
        self._happened = asyncio.Event()
        self._chats: dict[str, ChatId] = {}
        self._turn = 0
        store.database.announce_commits_to(self._happened.set)

    async def run(self, pushes: int) -> None:
        """Push, and ask both chats, as often as is said."""
        await self._world.enrol()
        await self._worker.start()
        workspace = Workspace(seed=4)
        uploaded: set[Digest] = set()
        for number in range(pushes):
            workspace.edit()
            pushed = workspace.contents()
            new = {digest: pushed.bodies[digest] for digest in pushed.bodies.keys() - uploaded}
            await self._world.upload(Contents(pushed.snapshot, new))
            await self._world.push(pushed)
            uploaded |= new.keys()
            if number % TURNS_PER_CHAT == 0:
                await self._begin_chats()
            self._turn += 1
            await refresh_context(self._store, self._world.owner, self._chats[self._live.name])
            for chat_id in self._chats.values():
                await self._ask(chat_id, number)
        await self._worker.stop()

    async def _begin_chats(self) -> None:
        self._turn = 0
        for model in (self._pinned, self._live):
            model.begin_chat()
            made = await create_chat(
                self._store, self._world.owner, self._world.workspace_id, model=model.name
            )
            self._chats[model.name] = made.chat.id

    async def _ask(self, chat_id: ChatId, number: int) -> None:
        message = user_message(f"Question {number}: {prose(number, 1, 200).decode()}")
        await send_message(self._store, self._world.owner, chat_id, message)
        self._worker.wake()
        async with asyncio.timeout(TURN_WAIT_S):
            while True:
                self._happened.clear()
                turns = await self._store.list_turns(self._world.owner, chat_id, first=self._turn)
                if turns and turns[-1].finished_at is not None:
                    assert turns[-1].state == TurnState.DONE, turns[-1].error
                    return
                await self._happened.wait()


async def run(report: Report) -> None:
    report.section(f"What a provider's cache can serve over {PUSHES:,} pushes")
    pinned, live = CachedModel("pinned"), CachedModel("live")
    with tempfile.TemporaryDirectory() as directory:
        async with open_store(f"sqlite:///{Path(directory) / 'bench.db'}") as store:
            await Talk(store, pinned, live).run(PUSHES)
    report.tell("requests of pinned chats, of live ones", f"{pinned.requests}, {live.requests}")
    report.at_most("pinned: prefixes unlike their chat's first", pinned.changed_prefixes, 0, "")
    report.tell("live: prefixes unlike their chat's first", str(live.changed_prefixes))
    for model in (pinned, live):
        share = model.cached_tokens / model.sent_tokens
        told = f"{share:.1%} ({model.cached_tokens:,} of {model.sent_tokens:,})"
        report.tell(f"{model.name}: tokens that a cache can serve", told)
    paid_live, paid_pinned = (each.sent_tokens - each.cached_tokens for each in (live, pinned))
    report.at_least("tokens read at full price, live ÷ pinned", paid_live / paid_pinned, 1)


__all__ = ["run"]
