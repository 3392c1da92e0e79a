"""Turns on whole servers that are killed, with a real agent, which is killed too, and a real MCP
server that keeps a log of its calls.

In the end every message is there once and answered, no call reached the MCP server twice, every
chain of receipts is whole, and the store has no findings.
"""

import asyncio
import json
import os
import random
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from driftpin.chat.messages import message_from_json
from driftpin.chat.receipts import entry_from_json, verify_chain
from driftpin.client import Client
from driftpin.errors import Unavailable, Unreachable
from driftpin.identity import WORKER, ChatId
from driftpin.operations.check_store import check_store
from driftpin.store.store import Store
from driftpin.store.turn_values import CallState
from driftpin.store.values import TurnState
from driftpin.wire.api import CreateAgentRequest, CreateChatRequest, CreateWorkspaceRequest
from driftpin.wire.approvals import DecisionRequest
from driftpin.wire.turns import SendMessageRequest
from faults.places import both_engines, opened
from mcp_agent.conftest import NUMBER, PROGRAM, tool
from outcome import Outcome
from replicas import Replica, start_replica

CHATS_MAX: Final = 10
PER_CHAT: Final = 1_000
# No turn ends in this time only if something is stuck.
STUCK_S: Final = 180
LOOK_S: Final = 0.2
LIVES_S: Final = (0.1, 3.0)
SKILL: Final = "---\nname: tidy\ndescription: Tidies up.\n---\nSweep first.\n"
ROLES: Final = ["user", "assistant", "tool", "assistant"]


async def pause(seconds: float, until: asyncio.Event | None = None) -> None:
    """Let time pass, until that happens at the longest: who is killed when is a matter of time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await (until or asyncio.Event()).wait()


@dataclass(slots=True)
class Workspace:
    """The directory of an agent, whose MCP server writes down each call."""

    directory: Path

    @property
    def log(self) -> Path:
        return self.directory / "calls.log"

    @property
    def root(self) -> Path:
        return self.directory / "w"

    @property
    def script(self) -> Path:
        return self.directory / "script.json"

    def settle(self, turns: int) -> None:
        """Write a rule, a skill, an MCP server that takes its time, and what the model says."""
        skill = self.root / ".agents" / "skills" / "tidy"
        skill.mkdir(parents=True)
        (skill / "SKILL.md").write_text(SKILL, encoding="utf-8")
        (self.root / "AGENTS.md").write_text("Be kind.\n", encoding="utf-8")
        plan = {
            "tools": [tool("add", inputSchema=NUMBER)],
            "log": str(self.log),
            "progress": 3,
            "pause_s": 0.05,
        }
        (self.root / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        launch = {"command": sys.executable, "args": [str(PROGRAM), "plan.json"]}
        servers = {"mcpServers": {"fake": launch}}
        (self.root / ".mcp.json").write_text(json.dumps(servers), encoding="utf-8")
        cases = [
            {"contains": [name_of(number)], "steps": list(_steps(number, turns))}
            for number in range(CHATS_MAX)
        ]
        self.script.write_text(json.dumps({"cases": cases}), encoding="utf-8")
        self.log.touch()

    async def start_agent(self, url: str, token: str) -> Process:
        """Start the agent as anybody does."""
        places = {
            "HOME": str(self.directory),
            "XDG_RUNTIME_DIR": str(self.directory / "r"),
            "XDG_STATE_HOME": str(self.directory / "state"),
            "DRIFTPIN_AGENT_TOKEN": token,
        }
        (self.directory / "r").mkdir(mode=0o700, exist_ok=True)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "driftpin", "agent", "--url", url),
            cwd=self.root,
            env={**os.environ, **places},
            stdout=DEVNULL,
            stderr=DEVNULL,
        )

    def called(self) -> Counter[int]:
        """Return how often each number reached the MCP server."""
        lines = self.log.read_text(encoding="utf-8").split("\n")[:-1]
        return Counter(json.loads(line)["arguments"]["n"] for line in lines)


def name_of(chat: int) -> str:
    """Return by what the script knows a chat."""
    return f"chat {chat:02}."


def _steps(chat: int, turns: int) -> Iterator[dict[str, object]]:
    for turn in range(turns):
        calls = [
            {"name": "read_skill", "arguments": {"name": "tidy"}},
            {"name": "fake__add", "arguments": {"n": chat * PER_CHAT + turn}},
        ]
        yield {"text": "I look.", "calls": calls}
        yield {"text": "It is tidy."}


@dataclass(slots=True)
class ServerTurns:
    """One database with its servers, its agent and its chats."""

    database_url: str
    workspace: Workspace
    random: random.Random
    outcome: Outcome
    servers: list[Replica] = field(default_factory=list)
    token: str | None = None
    agent: Process | None = None
    agent_token: str = ""
    chats: list[str] = field(default_factory=list)
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def count(self) -> int:
        """How many servers there are: an SQLite file has one."""
        return 1 if self.database_url.startswith("sqlite") else 2

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start servers and agent; nothing of them is left behind."""
        try:
            for _ in range(self.count):
                self.servers.append(await self._serve(0))
            await self._open_chats()
            yield
        finally:
            await self._kill_agent()
            for server in self.servers:
                await server.kill()

    async def _serve(self, port: int) -> Replica:
        server = await start_replica(
            self.database_url,
            token=self.token,
            port=port,
            variables={"DRIFTPIN_SCRIPT": str(self.workspace.script)},
        )
        self.token = server.token
        return server

    async def _open_chats(self) -> None:
        async with Client(self.servers[0].url, self.token) as client:
            workspace = await client.create_workspace(CreateWorkspaceRequest(name="w"))
            enrolled = await client.enrol_agent(workspace.id, CreateAgentRequest(name="a"))
            self.agent_token = enrolled.token
            await self._start_agent()
            await _approve(client, workspace.id)
            request = CreateChatRequest(workspace_id=workspace.id, model="scripted")
            async with asyncio.timeout(STUCK_S):
                while not (await client.create_chat(request)).context.complete:
                    await pause(LOOK_S)
            self.chats = [(await client.create_chat(request)).id for _ in range(CHATS_MAX)]

    async def _start_agent(self) -> None:
        url = self.servers[-1].url
        self.agent = await self.workspace.start_agent(url, self.agent_token)

    async def _kill_agent(self) -> None:
        if self.agent is not None and self.agent.returncode is None:
            self.agent.send_signal(signal.SIGKILL)
            await self.agent.wait()

    async def carry_out(self, turns: int) -> None:
        """Send so many messages and kill whoever works, until all are answered."""
        async with self.running(), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._kill_until_over())
            senders = [
                tasks.create_task(self._send(place, turns // CHATS_MAX))
                for place in range(CHATS_MAX)
            ]
            await asyncio.wait(senders)
            await self._wait_until_answered()
            self.is_over.set()
        self.outcome.seen["turns"] += turns // CHATS_MAX * CHATS_MAX

    async def _send(self, place: int, turns: int) -> None:
        """Send the messages of a chat in order, each until it was taken."""
        for number in range(turns):
            text = f"{name_of(place)} Tidy up, {number}."
            key = f"{place}-{number}"
            while not await self._is_taken(self.chats[place], text, key):
                await pause(LOOK_S)

    async def _is_taken(self, chat: str, text: str, key: str) -> bool:
        server = self.random.choice(self.servers)
        try:
            async with Client(server.url, self.token) as client:
                await client.send_message(chat, SendMessageRequest(text=text), key=key)
        except (Unreachable, Unavailable):
            self.outcome.seen["messages sent again"] += 1
            return False
        return True

    async def _kill_until_over(self) -> None:
        while not self.is_over.is_set() or not self.outcome.seen["servers killed"]:
            await pause(self.random.uniform(*LIVES_S), self.is_over)
            victim = self.random.randrange(self.count + 1)
            if victim == self.count:
                await self._kill_agent()
                await self._start_agent()
                self.outcome.seen["agents killed"] += 1
                continue
            killed = self.servers[victim]
            await killed.kill()
            port = int(killed.url.rpartition(":")[2])
            self.servers[victim] = await self._serve(port)
            self.outcome.seen["servers killed"] += 1

    async def _wait_until_answered(self) -> None:
        async with opened(self.database_url) as store:
            left = sum((await store.count_stock(WORKER)).turns.values())
            while left:
                async with asyncio.timeout(STUCK_S):
                    while (now := sum((await store.count_stock(WORKER)).turns.values())) >= left:
                        await pause(LOOK_S)
                left = now

    async def check(self, turns: int) -> None:
        """Look whether all that was promised is so."""
        called = self.workspace.called()
        async with opened(self.database_url) as store:
            for place, chat in enumerate(self.chats):
                await self._check_chat(store, ChatId(chat), place, turns // CHATS_MAX, called)
            for finding in await check_store(store, WORKER):
                self._break(f"fsck finds {finding}")
        for number, times in called.items():
            if times > 1:
                self._break(f"the call {number} reached the MCP server {times} times")

    async def _check_chat(
        self, store: Store, chat: ChatId, place: int, turns: int, called: Counter[int]
    ) -> None:
        listed = await store.list_turns(WORKER, chat)
        if len(listed) != turns:
            self._break(f"{chat} has {len(listed)} turns of {turns}")
        for turn in listed:
            if turn.state is not TurnState.DONE:
                self._break(f"turn {turn.number} of {chat} is {turn.state}: {turn.error}")
            page = await store.list_messages(WORKER, chat, None, 100, turn=turn.number)
            said = [message_from_json(row.content) for row in page.items]
            if [row.role for row in page.items] != ROLES:
                self._break(f"turn {turn.number} of {chat} has {[row.role for row in page.items]}")
            expected = f"{name_of(place)} Tidy up, {turn.number - 1}."
            if said[0].text != expected:
                self._break(f"turn {turn.number} of {chat} answers {said[0].text!r}")
            for call in await store.list_tool_calls(WORKER, chat, turn.number):
                self.outcome.seen[f"calls {call.state.value}"] += 1
                times = called[place * PER_CHAT + turn.number - 1]
                if call.name == "fake__add" and call.state is CallState.UNKNOWN:
                    self.outcome.seen["MCP calls unknown that ran"] += times
                if call.name == "fake__add" and call.outcome == "ok":
                    self.outcome.seen["MCP calls answered"] += 1
                    if times != 1:
                        self._break(f"{chat} was answered a call that ran {times} times")
        rows = await store.list_receipts(WORKER, chat, None)
        if found := verify_chain([entry_from_json(row.content) for row in rows]):
            self._break(f"the receipts of {chat} have {found[:3]}")

    def _break(self, what: str) -> None:
        self.outcome.broken.append(f"{self.database_url}: {what}")


async def _approve(client: Client, workspace_id: str) -> None:
    """Allow the MCP server once the agent has told of it."""
    async with asyncio.timeout(STUCK_S):
        while not (listed := await client.list_approvals(workspace_id)):
            await pause(LOOK_S)
    request = DecisionRequest(decision="allow", keyed_digest=listed[0].keyed_digest)
    await client.decide_server(workspace_id, listed[0].identity, request)


async def kill_servers(database_url: str, turns: int, seed: int) -> Outcome:
    """Carry out so many turns on one database whose servers and agent are killed."""
    outcome = Outcome()
    with _directory() as directory:
        workspace = Workspace(directory)
        workspace.settle(turns // CHATS_MAX)
        run_of = ServerTurns(database_url, workspace, random.Random(seed), outcome)
        await run_of.carry_out(turns)
        await run_of.check(turns)
    outcome.require("turns", "servers killed", "calls done")
    return outcome


@contextmanager
def _directory() -> Iterator[Path]:
    # An agent's last children may still be writing.
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        yield Path(name)


def run(count: int, seed: int) -> Outcome:
    """Carry out half of so many turns on each engine; on PostgreSQL with two servers."""
    outcome = Outcome()
    with both_engines() as urls:
        for part, url in enumerate(urls):
            turns = max(CHATS_MAX, count // 2)
            outcome.add(asyncio.run(kill_servers(url, turns, seed + part)))
    # Few turns may all have met a kill.
    outcome.require("agents killed", "calls unknown", "MCP calls answered")
    return outcome


__all__ = ["kill_servers", "run"]
