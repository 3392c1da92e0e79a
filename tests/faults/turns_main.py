"""A worker that carries out turns until it is killed, as a process of its own.

    turns_main.py '{"database_url": …, "log": …, "turns": 3}'

It prints a line for each commit that others would be woken by. Its model plays the same three
steps for every turn: two calls that read a skill and one that leaves a line in a file, which is how
the parent sees what was really carried out; then a sub-chat; then words.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Final

from driftpin.chat.messages import ToolCallPart
from driftpin.chat.pinned import PinnedContext
from driftpin.chat.tools import ToolDefinition, ToolResult
from driftpin.identity import WORKER
from driftpin.models.port import Model, ModelEvent, ModelRequest
from driftpin.models.scripted import ScriptedCall, ScriptedModel, Step
from driftpin.operations.forget_holders import forget_holders
from driftpin.runner.agent_tools import AgentTools
from driftpin.runner.toolbox import ToolSource
from driftpin.runner.worker import TurnWorker
from driftpin.store.values import PinnedRead
from faults.places import opened

SKILL: Final = '{"name": "tidy"}'
RECORD: Final = ToolDefinition("record", "Leaves a line.", {"type": "object"})
STEPS: Final = (
    Step(
        "I look.",
        calls=(
            ScriptedCall("read_skill", SKILL),
            ScriptedCall("read_skill_file", '{"name": "tidy", "path": "scripts/tidy.sh"}'),
            ScriptedCall("record", "{}"),
        ),
    ),
    Step("I ask.", calls=(ScriptedCall("spawn", '{"task": "help"}'),)),
    Step("Done."),
)
HELP: Final = (Step("Helped."),)


class Recorder(AgentTools):
    """Offers one tool, which appends a line that names its call; a line is written whole."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def sources(self, pin: PinnedRead, context: PinnedContext | None) -> tuple[ToolSource, ...]:
        del context
        return () if pin.chat.parent_id else (Recording(self._log, pin.chat.id),)


class Recording:
    """The tool, for one chat."""

    definitions = (RECORD,)

    def __init__(self, log: Path, chat_id: str) -> None:
        self._log = log
        self._chat_id = chat_id

    async def call(self, call: ToolCallPart, arguments: Mapping[str, object]) -> ToolResult:
        del arguments
        line = f"{self._chat_id} {call.call_id}\n"
        handle = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)
        return ToolResult("recorded")


class Models:
    """One model for all chats."""

    def __init__(self, turns: int) -> None:
        self._model = Helping(STEPS * turns)

    def get(self, name: str) -> Model:
        del name
        return self._model


class Helping(ScriptedModel):
    """Plays the parent's script, or helps where it is asked for help."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        is_helper = request.messages[0].text == "help"
        return ScriptedModel(HELP).stream(request) if is_helper else super().stream(request)


async def main(asked: Mapping[str, Any]) -> None:
    async with opened(asked["database_url"]) as store:
        await forget_holders(store, WORKER)
        worker = TurnWorker(
            store,
            Models(asked["turns"]),
            store.database.clock,
            name=f"worker-{os.getpid()}",
            agent_tools=Recorder(Path(asked["log"])),
        )

        def committed() -> None:
            sys.stdout.write("\n")
            sys.stdout.flush()
            worker.wake()

        store.database.announce_commits_to(committed)
        await worker.start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
