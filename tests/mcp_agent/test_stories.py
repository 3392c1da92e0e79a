"""From a config in a workspace to the tools of a chat: real agent, server and processes."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from driftpin.errors import NotFound, Rejected
from driftpin.wire.api import CreateChatRequest, RefreshRequest
from driftpin.wire.approvals import DecisionRequest
from mcp_agent.conftest import Bench, tool
from mcp_agent.story import Story, an_agent
from served import open_site


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
