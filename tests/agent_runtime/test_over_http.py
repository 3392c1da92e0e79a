"""A whole agent and a whole server, over real sockets."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_runtime.signals import replace_file
from driftpin.agent.agent import AgentSettings, WorkspaceAgent
from driftpin.agent.dial import websocket_dialer
from driftpin.agent.local_protocol import LocalCall
from driftpin.client import AgentClient
from driftpin.errors import Gone, PushOutdated
from driftpin.identity import AgentId
from served import Site, open_site

WAIT_S = 5.0
Environment = Mapping[str, str]


@pytest.fixture
async def site(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Site]:
    database = tmp_path / "driftpin.db"
    shutil.copyfile(sqlite_template, database)
    async with open_site(f"sqlite:///{database}") as opened:
        yield opened


@asynccontextmanager
async def agent_of(
    site: Site, workspace: Path, environment: Environment
) -> AsyncIterator[tuple[WorkspaceAgent, asyncio.Task[None]]]:
    settings = AgentSettings(workspace, workspace.parent / "sources.json")
    async with AgentClient(site.url, site.agent_token) as control_plane:
        dial = websocket_dialer(site.url, site.agent_token)
        agent = WorkspaceAgent(settings, control_plane, dial, environment=environment)
        task = asyncio.create_task(agent.run())
        try:
            yield agent, task
        finally:
            agent.stop()
            await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), WAIT_S)


async def resync(agent: WorkspaceAgent) -> str:
    """Return the digest of the head after a barrier."""
    answer = await asyncio.wait_for(agent.calls.resync({}), 2 * WAIT_S)
    assert isinstance(answer, dict)
    assert isinstance(answer["head"], dict)
    return str(answer["head"]["digest"])


async def until_linked(site: Site) -> None:
    async with asyncio.timeout(WAIT_S):
        while not (await site.client.get_agent(site.agent_id)).is_connected:
            continue


async def call_over_link(site: Site, method: str) -> object:
    links = site.server.services.links
    return await asyncio.wait_for(links.call(AgentId(site.agent_id), method, {}), WAIT_S)


async def test_an_edit_becomes_the_head_on_the_server(
    site: Site, workspace: Path, environment: Environment
) -> None:
    async with agent_of(site, workspace, environment) as (agent, _):
        before = await resync(agent)
        replace_file(workspace / "AGENTS.md", "second\n")
        after = await resync(agent)
        head = (await site.client.get_agent(site.agent_id)).head
    assert before != after
    assert head is not None
    assert head.digest == after


async def test_the_server_reaches_the_agent_over_its_link(
    site: Site, workspace: Path, environment: Environment
) -> None:
    async with agent_of(site, workspace, environment) as (_, task):
        await until_linked(site)
        assert await call_over_link(site, "ping") == {}
        replace_file(workspace / "AGENTS.md", "second\n")
        answer = await call_over_link(site, "resync")
        head = (await site.client.get_agent(site.agent_id)).head
        assert isinstance(answer, dict)
        assert head is not None
        assert answer["head"]["digest"] == head.digest
        assert await call_over_link(site, "stop") == {}
        await asyncio.wait_for(task, WAIT_S)


async def test_many_bytes_reach_the_server(
    site: Site, workspace: Path, environment: Environment
) -> None:
    skill = workspace / "skills" / "tidy"
    skill.mkdir(parents=True)
    (skill / "SKILL.md").write_text("---\nname: tidy\ndescription: x\n---\n", encoding="utf-8")
    for number in range(3):
        (skill / f"{number}.bin").write_bytes(bytes([number]) * 400_000)
    async with agent_of(site, workspace, environment) as (agent, _):
        first = await resync(agent)
        for number in range(3):
            (skill / f"{number}.bin").write_bytes(bytes([number + 3]) * 400_000)
        assert await resync(agent) != first


async def test_x27_of_two_agents_with_one_token_the_newer_wins_and_the_older_stops(
    site: Site, workspace: Path, environment: Environment, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere" / "workspace"
    elsewhere.mkdir(parents=True)
    async with agent_of(site, workspace, environment) as (agent, older):
        await resync(agent)
        await until_linked(site)
        async with agent_of(site, elsewhere, environment) as (newer, _):
            with pytest.raises(PushOutdated) as fenced:
                await asyncio.wait_for(older, 2 * WAIT_S)
            digest = await resync(newer)
        head = (await site.client.get_agent(site.agent_id)).head
    assert fenced.value.code == "fenced"
    assert head is not None
    assert head.digest == digest


async def test_e24_a_deleted_agent_stops(
    site: Site, workspace: Path, environment: Environment
) -> None:
    async with agent_of(site, workspace, environment) as (agent, task):
        await resync(agent)
        await site.client.delete_agent(site.agent_id)
        replace_file(workspace / "AGENTS.md", "second\n")
        with pytest.raises(Gone) as gone:
            await asyncio.wait_for(task, WAIT_S)
    assert gone.value.code == "agent_gone"


def test_no_local_call_approves_or_refreshes() -> None:
    assert not any("approve" in call or "refresh" in call for call in LocalCall)
