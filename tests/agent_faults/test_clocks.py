"""X30: clocks that are wrong by years, jump, and disagree."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent_faults.pushing_through import open_fresh_site, pushing_agent, stored_heads
from agent_runtime.world import WAIT_S
from driftpin import limits
from driftpin.agent.agent import AgentSettings, WorkspaceAgent
from driftpin.agent.dial import websocket_dialer
from driftpin.client import AgentClient
from driftpin.errors import Unauthenticated
from driftpin.wire.agent import HelloRequest
from served import Site
from stepping import ShiftedClock

TEN_YEARS = timedelta(days=3652)
JUMPS = (TEN_YEARS, -TEN_YEARS, timedelta(), timedelta(seconds=1), -TEN_YEARS, TEN_YEARS)


@pytest.fixture
def server_clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
async def shifted_site(tmp_path: Path, server_clock: ShiftedClock) -> AsyncIterator[Site]:
    async with open_fresh_site(tmp_path, server_clock) as site:
        yield site


async def test_x30_a_server_whose_clock_jumps_by_years_accepts_and_orders_as_before(
    shifted_site: Site, server_clock: ShiftedClock, tmp_path: Path
) -> None:
    site, seen, told = shifted_site, Counter[str](), []
    async with (
        site.client.watch_events(workspace_id=site.workspace_id) as events,
        pushing_agent(site.url, site.agent_token, "run", seen) as agent,
    ):
        for number, jump in enumerate(JUMPS):
            server_clock.off_by = jump
            await agent.deliver(str(number).encode())
            shown = await site.client.get_agent(site.agent_id)
            assert shown.head is not None
            assert shown.head.digest == agent.offered[-1]
            assert shown.head_seq == number + 1
        async with asyncio.timeout(WAIT_S):
            async for event, _ in events:
                if event.kind == "agent.head":
                    told.append(event.payload["digest"])
                if len(told) == len(JUMPS):
                    break
    assert told == agent.offered == [head.digest for head in stored_heads(tmp_path)]
    assert seen == Counter(accepted=len(JUMPS))


async def test_x30_a_token_ends_by_the_clock_of_the_server_alone(
    shifted_site: Site, server_clock: ShiftedClock
) -> None:
    site = shifted_site
    await site.client.renew_agent_token(site.agent_id)
    server_clock.off_by = timedelta(seconds=limits.ROTATED_TOKEN_GRACE_S - 60)
    await site.agent.hello(HelloRequest(run_id="in its grace"))
    server_clock.off_by = timedelta(seconds=limits.ROTATED_TOKEN_GRACE_S + 60)
    with pytest.raises(Unauthenticated):
        await site.agent.hello(HelloRequest(run_id="after it"))


@pytest.mark.parametrize("off_by", [TEN_YEARS, -TEN_YEARS], ids=["ahead", "behind"])
async def test_x30_an_agent_whose_clock_is_wrong_by_years_pushes_every_edit(
    site: Site, workspace: Path, environment: dict[str, str], off_by: timedelta
) -> None:
    settings = AgentSettings(workspace, workspace.parent / "sources.json")
    clock = ShiftedClock(off_by)
    async with AgentClient(site.url, site.agent_token) as control_plane:
        dial = websocket_dialer(site.url, site.agent_token)
        agent = WorkspaceAgent(settings, control_plane, dial, clock=clock, environment=environment)
        task = asyncio.create_task(agent.run())
        heads = []
        for number, jump in enumerate((off_by, -off_by, timedelta())):
            clock.off_by = jump
            (workspace / "AGENTS.md").write_text("x" * (number + 1), encoding="utf-8")
            heads.append(await head_after_resync(agent))
            (workspace / "AGENTS.md").write_text("y" * (number + 9), encoding="utf-8")
            heads.append(await head_after_resync(agent))
        agent.stop()
        await asyncio.wait_for(task, WAIT_S)
    shown = await site.client.get_agent(site.agent_id)
    assert len(set(heads)) == len(heads)
    assert shown.head is not None
    assert shown.head.digest == heads[-1]
    # What is shown is the server's time.
    assert shown.head_at is not None
    assert abs(datetime.fromisoformat(str(shown.head_at)) - datetime.now(UTC)) < timedelta(hours=1)


async def head_after_resync(agent: WorkspaceAgent) -> str:
    answer = await asyncio.wait_for(agent.calls.resync({}), WAIT_S)
    assert isinstance(answer, dict)
    assert isinstance(answer["head"], dict)
    return str(answer["head"]["digest"])
