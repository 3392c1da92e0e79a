"""X27: two agents with one token, as processes and as runs that take over in turn."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from agent_faults.agent_process import agent_process
from agent_faults.pushing_through import pushing_agent
from driftpin import limits
from driftpin.cli.exits import ExitCode
from driftpin.client import AgentClient
from driftpin.errors import Forbidden, Unauthenticated
from driftpin.wire.agent import HelloRequest
from served import WAIT_S, Site


async def test_x27_of_two_processes_with_one_token_the_newer_wins_and_the_older_says_why(
    site: Site, workspace: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere" / "workspace"
    elsewhere.mkdir(parents=True)
    (elsewhere / "AGENTS.md").write_text("newer\n", encoding="utf-8")
    async with agent_process(site, workspace) as older:
        await older.until_pushed()
        async with agent_process(site, elsewhere) as newer:
            pushed = await newer.until_pushed()
            assert await older.ended() == ExitCode.DENIED
            assert "took over" in older.said()
            (elsewhere / "AGENTS.md").write_text("newest\n", encoding="utf-8")
            pushed = await newer.until_pushed()
        head = (await site.client.get_agent(site.agent_id)).head
    assert head is not None
    assert head.digest == pushed["digest"]


async def test_x27_h9_two_that_take_over_in_turn_are_locked_until_there_is_a_new_token(
    site: Site, workspace: Path
) -> None:
    async with (
        site.client.watch_events() as events,
        AgentClient(site.url, site.agent_token) as client,
    ):
        for number in range(limits.TAKE_OVERS_MAX + 1):
            await client.hello(HelloRequest(run_id=f"run-{number}", hostname=f"host-{number % 2}"))
        async with agent_process(site, workspace) as one_too_many:
            assert await one_too_many.ended() == ExitCode.DENIED
            said = one_too_many.said()
        assert "again and again" in said
        assert "driftpin up" in said
        with pytest.raises(Forbidden):
            await client.hello(HelloRequest(run_id="run-0", hostname="host-0"))
        async with asyncio.timeout(WAIT_S):
            await anext(
                event async for event, _ in events if event.payload.get("state") == "locked"
            )
    assert (await site.client.get_agent(site.agent_id)).locked_at is not None
    shared = site.agent_token
    site.agent_token = (await site.client.renew_agent_token(site.agent_id)).token
    async with pushing_agent(site.url, site.agent_token, "unlocked", Counter()) as agent:
        await agent.deliver(b"state")
    async with AgentClient(site.url, shared) as client:
        with pytest.raises(Unauthenticated):
            await client.hello(HelloRequest(run_id="late"))
