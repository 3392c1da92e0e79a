"""Turns of a scripted model on a served site, whose calls go over the link to a real agent."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driftpin.clock import Clock
from driftpin.models.port import Model
from driftpin.models.scripted import ScriptedCall, ScriptedModel, Step
from driftpin.runner.agent_tools import AgentTools, ToolRules
from driftpin.runner.worker import TurnWorker
from driftpin.server.agent_calls import AgentCalls
from driftpin.server.app import WorkersFactory
from driftpin.store.store import Store
from driftpin.wire.api import CreateChatRequest
from driftpin.wire.turns import SendMessageRequest
from mcp_agent.conftest import Bench
from mcp_agent.story import Story
from served import open_site


@dataclass
class Script:
    """The one model of a site; a test says what it does before it asks."""

    steps: tuple[Step, ...] = ()
    asked: list[Any] = field(default_factory=list)

    def get(self, _name: str) -> Model:
        return ScriptedModel(self.steps)

    def workers(self, rules: ToolRules | None = None) -> WorkersFactory:
        """Return what makes the workers of a server that plays this script."""

        def make_workers(store: Store, clock: Clock, calls: AgentCalls) -> TurnWorker:
            tools = AgentTools(store, calls, rules)
            return TurnWorker(store, self, clock, name="worker", agent_tools=tools)

        return make_workers


@dataclass
class Talk(Story):
    """A story in which one also talks."""

    script: Script = field(default_factory=Script)

    async def ask(self, *calls: tuple[str, dict[str, Any]], chat_id: str = "") -> list[Any]:
        """Let the model make these calls in a new chat; return the parts of their results."""
        made = tuple(ScriptedCall(name, json.dumps(arguments)) for name, arguments in calls)
        self.script.steps = (Step("I look.", made), Step("Done."))
        if not chat_id:
            chat_id = (await self.chat()).id
        await self.client.send_message(chat_id, SendMessageRequest(text="Go on."))

        async def is_over() -> bool:
            return (await self.client.get_chat(chat_id)).state in ("idle", "error")

        await self.until(is_over)
        messages = await self.client.list_messages(chat_id)
        results: list[Any] = []
        for message in messages:
            parts = message.content["parts"]
            if message.role == "tool" and isinstance(parts, list):
                results.extend(parts)
        return results

    async def chat(self) -> Any:
        return await self.client.create_chat(CreateChatRequest(workspace_id=self.site.workspace_id))

    async def until_pinnable(self) -> None:
        """Wait until a new chat has the tools of the server."""
        await self.until_listed()
        await self.allow()
        await self.until_state("ready")

        async def is_complete() -> bool:
            return bool((await self.chat()).context.complete)

        await self.until(is_complete)


@asynccontextmanager
async def open_talk(
    database_url: str, tmp_path: Path, rules: ToolRules | None = None
) -> AsyncIterator[Talk]:
    """Serve with turn workers whose model plays the talk's script."""
    directory = tmp_path / "w"
    directory.mkdir()
    (directory / "AGENTS.md").write_text("Be kind.\n", encoding="utf-8")
    script = Script()
    async with open_site(database_url, make_workers=script.workers(rules)) as site:
        yield Talk(site, Bench(directory), script)
