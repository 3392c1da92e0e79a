"""From a config in a workspace to the tools of a chat: real agent, server and processes."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from driftpin.agent.agent import AgentSettings, WorkspaceAgent
from driftpin.agent.dial import websocket_dialer
from driftpin.agent.mcp_servers import McpPlaces
from driftpin.agent.schedule import Timing
from driftpin.client import Client
from driftpin.errors import NotFound, Rejected
from driftpin.wire.api import CreateChatRequest, RefreshRequest
from driftpin.wire.approvals import DecisionRequest, ServerShape
from mcp_agent.conftest import PROGRAM, Bench, tool
from served import Site, open_site

WAIT_S = 15.0
QUICK = Timing(debounce_s=0.02, debounce_longest_s=0.2, rescan_interval_s=1.0)


@dataclass
class Story:
    """A served site with an agent on a workspace of its own."""

    site: Site
    bench: Bench

    @property
    def client(self) -> Client:
        return self.site.client

    def list_server(self, **entry: object) -> None:
        launch = {"command": sys.executable, "args": [str(PROGRAM), "plan.json"], **entry}
        config = {"mcpServers": {"fake": launch}}
        (self.bench.directory / ".mcp.json").write_text(json.dumps(config), encoding="utf-8")

    async def server(self) -> ServerShape:
        listed = await self.client.list_approvals(self.site.workspace_id)
        (server,) = [each for each in listed if each.source == "mcp:fake"]
        return server

    async def allow(self) -> None:
        server = await self.server()
        request = DecisionRequest(decision="allow", keyed_digest=server.keyed_digest)
        await self.client.decide_server(self.site.workspace_id, server.identity, request)

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait until a condition holds; it is asked again at every event, and now and then."""
        async with asyncio.timeout(WAIT_S), self.client.watch_events() as events:
            following = asyncio.create_task(_next(events))
            while not await holds():
                await asyncio.wait({following}, timeout=0.2)
                if following.done():
                    following = asyncio.create_task(_next(events))
            following.cancel()

    async def until_listed(self) -> None:
        async def is_listed() -> bool:
            listed = await self.client.list_approvals(self.site.workspace_id)
            return any(each.source == "mcp:fake" and each.state for each in listed)

        await self.until(is_listed)

    async def until_state(self, state: str) -> None:
        async def is_so() -> bool:
            return (await self.server()).state == state

        await self.until(is_so)


async def _next(events: AsyncIterator[object]) -> object:
    return await anext(events)


@asynccontextmanager
async def an_agent(site: Site, bench: Bench) -> AsyncIterator[WorkspaceAgent]:
    settings = AgentSettings(
        directory=bench.directory,
        sources_path=bench.directory.parent / "state" / "sources.json",
        timing=QUICK,
        mcp=McpPlaces(
            bench.directory.parent / "state" / "catalogues.json",
            bench.directory.parent / "state" / "mcp.key",
        ),
    )
    runtime = bench.directory.parent / "r"
    runtime.mkdir(exist_ok=True)
    agent = WorkspaceAgent(
        settings,
        site.agent,
        websocket_dialer(site.url, site.agent_token),
        approver=site.agent,
        environment={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
    )
    running = asyncio.create_task(agent.run())
    try:
        yield agent
    finally:
        agent.stop()
        await asyncio.wait_for(asyncio.gather(running, return_exceptions=True), WAIT_S)


@pytest.fixture
async def story(database_url: str, tmp_path: Path) -> AsyncIterator[Story]:
    directory = tmp_path / "w"
    directory.mkdir()
    (directory / "AGENTS.md").write_text("Be kind.\n", encoding="utf-8")
    async with open_site(database_url) as site:
        yield Story(site, Bench(directory))


async def test_a_chat_on_a_cold_workspace_with_a_slow_server_ends_with_all_its_tools_and_no_badge(
    story: Story,
) -> None:
    gate = story.bench.directory.parent / "gate"
    os.mkfifo(gate)
    story.bench.write(tools=[tool("a"), tool("b")], gate=str(gate))
    story.list_server()
    async with an_agent(story.site, story.bench):
        await story.until_listed()
        chat = await story.client.create_chat(
            CreateChatRequest(workspace_id=story.site.workspace_id)
        )
        assert chat.context.snapshot is not None
        assert not chat.context.complete
        await story.allow()
        await story.until_state("connecting")
        assert not (await story.client.get_chat(chat.id)).context.complete
        await asyncio.to_thread(gate.write_text, "go", encoding="utf-8")

        async def is_complete() -> bool:
            return (await story.client.get_chat(chat.id)).context.complete

        await story.until(is_complete)
        context = (await story.client.get_chat(chat.id)).context
        assert not context.dirty
        full = await story.client.get_context(chat.id)
        (server,) = [each for each in full.resources if each.source == "mcp:fake"]
        assert server.status == "ok"
        verbs = [entry.verb for entry in await story.client.list_history(chat.id)]
        assert sorted(verbs) == ["complete", "hydrate"]


async def test_tools_stay_through_restarts_of_the_agent_and_changes_of_them_are_drift(
    story: Story,
) -> None:
    story.bench.write(tools=[tool("a", description="Reads.")])
    story.list_server()
    async with an_agent(story.site, story.bench):
        await story.until_listed()
        await story.allow()
        await story.until_state("ready")

        async def head_is_known() -> bool:
            chat = await story.client.create_chat(
                CreateChatRequest(workspace_id=story.site.workspace_id)
            )
            return chat.context.complete

        await story.until(head_is_known)
        chat = await story.client.create_chat(
            CreateChatRequest(workspace_id=story.site.workspace_id)
        )
    story.bench.write(tools=[tool("a", description="Reads.")], hang="initialize")
    async with an_agent(story.site, story.bench):
        await story.until_state("connecting")
        context = (await story.client.get_chat(chat.id)).context
        assert (context.complete, context.dirty) == (True, False)
    story.bench.write(tools=[tool("a", description="Writes.")])
    async with an_agent(story.site, story.bench):

        async def is_dirty() -> bool:
            return (await story.client.get_chat(chat.id)).context.dirty

        await story.until(is_dirty)
        drift = await story.client.get_drift(chat.id, has_diff=True)
        assert drift.severity == "behavioural"
        (entry,) = drift.entries
        assert entry.tools[0]["name"] == "a"
        assert drift.diffs is not None
        assert "  description: Reads. → Writes." in drift.diffs[0].notes
        await story.client.refresh_context(chat.id, RefreshRequest(to=drift.head))
        assert not (await story.client.get_chat(chat.id)).context.dirty


async def test_d17_literal_values_and_their_changes_stay_in_the_workspace(story: Story) -> None:
    story.bench.write(tools=[tool()])
    story.list_server(env={"TOKEN": "hunter2-but-longer"})
    async with an_agent(story.site, story.bench):
        await story.until_listed()
        before = await story.server()
        assert before.launch is not None
        assert before.launch["env"] == {"TOKEN": {"literal": True}}
        with pytest.raises(Rejected, match="literal values"):
            await story.client.decide_server(
                story.site.workspace_id, before.identity, DecisionRequest(decision="allow")
            )
        await story.allow()
        await story.until_state("ready")
        story.list_server(env={"TOKEN": "another-value"})
        await story.until_state("unapproved")
        after = await story.server()
        assert after.identity == before.identity
        assert after.decision == "pending"


async def test_only_what_the_workspace_lists_can_be_decided(story: Story) -> None:
    with pytest.raises(NotFound):
        await story.client.decide_server(
            story.site.workspace_id, "sha256:" + "0" * 64, DecisionRequest(decision="allow")
        )


async def test_a_denied_server_stays_denied_and_a_withdrawn_word_ends_it(story: Story) -> None:
    story.bench.write(tools=[tool()])
    story.list_server()
    async with an_agent(story.site, story.bench):
        await story.until_listed()
        identity = (await story.server()).identity
        await story.client.decide_server(
            story.site.workspace_id, identity, DecisionRequest(decision="deny")
        )
        assert (await story.server()).decision == "denied"
        await story.allow()
        await story.until_state("ready")
        await story.client.withdraw_decision(story.site.workspace_id, identity)
        await story.until_state("unapproved")
        assert (await story.server()).decision == "pending"
