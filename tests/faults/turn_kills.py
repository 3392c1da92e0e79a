"""Turns whose worker is killed at random moments, again and again, until all of them have ended.

Each turn reads a skill twice, leaves a line in a file, and starts a sub-chat. In the end every
message is there once, every call was carried out at most once, and every chain of receipts is
whole.
"""

import asyncio
import json
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from driftpin.chat.messages import user_message
from driftpin.chat.options import ChatOptions
from driftpin.chat.receipts import entry_from_json, verify_chain
from driftpin.identity import WORKER, Actor, ChatId, WorkspaceId, agent_actor, user_actor
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.say_hello import say_hello
from driftpin.operations.send_message import send_message
from driftpin.server.bootstrap import ensure_first_user
from driftpin.store.store import Store
from driftpin.store.values import TurnState
from faults.places import both_engines, opened
from outcome import Outcome
from runner.room import RULE, push

TESTS: Final = Path(__file__).parents[1]
PROGRAM: Final = "faults.turns_main"
CHATS_MAX: Final = 10
COMMITS_MAX: Final = 60
# A worker that gets nothing done in this time is stuck.
STUCK_S: Final = 60
ROLES: Final = ["user", "assistant", "tool", "assistant", "tool", "assistant"]


@dataclass(slots=True)
class TurnKills:
    """Chats on one database, and the workers that carry out their turns and are killed."""

    database_url: str
    log: Path
    random: random.Random
    outcome: Outcome
    chat_ids: list[ChatId] = field(default_factory=list)
    turns: int = 0

    async def carry_out(self, turns: int) -> None:
        """Send so many messages, kill workers until all are answered, and look."""
        await self._send(turns)
        while await self._count_unfinished():
            await self._work_and_kill()
        async with opened(self.database_url) as store:
            lines = Counter(self.log.read_text(encoding="utf-8").split("\n")[:-1])
            for chat_id in self.chat_ids:
                await self._check(store, chat_id, lines)

    async def _send(self, turns: int) -> None:
        async with opened(self.database_url) as store:
            owner, workspace_id = await _settle(store)
            for _ in range(min(CHATS_MAX, turns)):
                options = ChatOptions(may_spawn=True)
                made = await create_chat(
                    store, owner, workspace_id, model="scripted", options=options
                )
                self.chat_ids.append(made.chat.id)
            for number in range(turns):
                chat_id = self.chat_ids[number % len(self.chat_ids)]
                await send_message(store, owner, chat_id, user_message(f"Go on, {number}."))
        self.turns = -(-turns // len(self.chat_ids))
        self.outcome.seen["turns"] += turns

    async def _count_unfinished(self) -> int:
        async with opened(self.database_url) as store:
            return sum((await store.count_stock(WORKER)).turns.values())

    async def _work_and_kill(self) -> None:
        """Let a worker make some commits, and kill it; one with nothing left to do just ends."""
        asked = {
            "database_url": self.database_url,
            "log": str(self.log),
            "turns": self.turns,
        }
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", PROGRAM, json.dumps(asked), stdout=PIPE, cwd=TESTS
        )
        try:
            await self._watch(worker, self.random.randint(1, COMMITS_MAX))
        finally:
            if worker.returncode is None:
                worker.send_signal(signal.SIGKILL)
            await worker.wait()
        self.outcome.seen["kills"] += 1

    async def _watch(self, worker: Process, commits: int) -> None:
        assert worker.stdout is not None
        for _ in range(commits):
            line = asyncio.create_task(worker.stdout.readline())
            done, _ = await asyncio.wait({line}, timeout=1)
            if done:
                assert line.result(), "a worker ended by itself"
                continue
            if not await self._count_unfinished():
                line.cancel()
                return
            async with asyncio.timeout(STUCK_S):
                assert await line, "a worker ended by itself"

    async def _check(self, store: Store, chat_id: ChatId, lines: Counter[str]) -> None:
        turns = await store.list_turns(WORKER, chat_id)
        for turn in turns:
            if turn.state is not TurnState.DONE:
                self._break(chat_id, f"turn {turn.number} is {turn.state}: {turn.error}")
            page = await store.list_messages(WORKER, chat_id, None, 100, turn=turn.number)
            roles = [row.role for row in page.items]
            if roles != ROLES:
                self._break(chat_id, f"turn {turn.number} has the messages {roles}")
            await self._check_calls(store, chat_id, turn.number, lines)
        rows = await store.list_receipts(WORKER, chat_id, None)
        found = verify_chain([entry_from_json(row.content) for row in rows])
        if found:
            self._break(chat_id, f"its receipts have {found[:3]}")
        self.outcome.seen["requests unknown"] += sum(
            row.content["outcome"] == "unknown" for row in rows
        )

    async def _check_calls(
        self, store: Store, chat_id: ChatId, turn: int, lines: Counter[str]
    ) -> None:
        for call in await store.list_tool_calls(WORKER, chat_id, turn):
            self.outcome.seen[f"calls {call.state.value}"] += 1
            if call.name == "spawn":
                if call.sub_chat_id is None or call.outcome != "ok":
                    self._break(chat_id, f"{call.call_id} spawned {call.sub_chat_id}")
                continue
            written = lines[f"{chat_id} {call.call_id}"]
            expected = (1,) if call.state.value == "done" else (0, 1)
            if call.name == "record" and written not in expected:
                self._break(chat_id, f"{call.call_id} is {call.state} and ran {written} times")

    def _break(self, chat_id: ChatId, what: str) -> None:
        self.outcome.broken.append(f"{self.database_url} {chat_id}: {what}")


async def _settle(store: Store) -> tuple[Actor, WorkspaceId]:
    """Make a workspace whose agent has pushed a rule and a skill; return its owner and its id."""
    user_id, _ = await ensure_first_user(store, None)
    owner = user_actor(user_id, is_administrator=True)
    workspace = await create_workspace(store, owner, "a workspace")
    enrolled, _ = await enrol_agent(store, owner, workspace.id, "an agent")
    agent = agent_actor(enrolled.id, workspace.id)
    hello = await say_hello(store, agent, run_id="r", hostname="", os="", version="", roots={})
    await push(store, agent, hello.incarnation, 1, RULE)
    return owner, workspace.id


async def kill_turns(database_url: str, turns: int, seed: int) -> Outcome:
    """Carry out so many turns on one database, with workers that are killed."""
    outcome = Outcome()
    with TemporaryDirectory() as directory:
        log = Path(directory) / "calls.log"
        log.touch()
        kills = TurnKills(database_url, log, random.Random(seed), outcome)
        await kills.carry_out(turns)
    outcome.require("turns", "kills", "calls done")
    return outcome


def run(count: int, seed: int) -> Outcome:
    """Carry out half of so many turns on each engine."""
    outcome = Outcome()
    with both_engines() as urls:
        for part, url in enumerate(urls):
            outcome.add(asyncio.run(kill_turns(url, max(1, count // 2), seed + part)))
    return outcome


__all__ = ["kill_turns", "run"]
