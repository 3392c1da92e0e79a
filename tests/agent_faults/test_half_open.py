"""X31: a connection over which nothing comes any more, although nobody has closed it."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent_faults.pushing_through import pushing_agent, stored_heads
from driftpin.agent.agent import AgentSettings, WorkspaceAgent
from driftpin.agent.dial import websocket_dialer
from driftpin.client import AgentClient
from driftpin.identity import AgentId
from driftpin.wire.link import Heartbeat
from served import WAIT_S, Site, open_site
from tcp_proxy import Plan, proxied, target_of

# Long enough for a busy machine to answer, short enough to wait for.
QUICK = Heartbeat(ping_interval_s=0.3, pong_timeout_s=1.5)
SLOW = Heartbeat(ping_interval_s=60.0, pong_timeout_s=60.0)
ANSWER_S = 2.0
NOTICED_S = 4 * WAIT_S


@dataclass(slots=True)
class OneWay:
    """What the network loses, one way, of connections that were made so far."""

    loses_there: bool = False
    loses_back: bool = False
    plans: list["OneWayPlan"] = field(default_factory=list)

    def plan_next(self) -> Plan:
        """Let a new connection pass until `lose` is called."""
        plan = OneWayPlan()
        self.plans.append(plan)
        return plan

    def lose(self) -> None:
        """Lose packets of every connection that there is; later ones are sound."""
        for plan in self.plans:
            plan.loses_there, plan.loses_back = self.loses_there, self.loses_back


@dataclass(slots=True)
class OneWayPlan(Plan):
    """One connection; what is lost is taken and never passed on."""

    loses_there: bool = False
    loses_back: bool = False

    async def to_server(self, chunk: bytes) -> bytes:
        """Pass on, or lose."""
        return b"" if self.loses_there else chunk

    async def to_client(self, chunk: bytes) -> bytes:
        """Pass on, or lose."""
        return b"" if self.loses_back else chunk


async def until(site: Site, is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(NOTICED_S):
        while not is_so():
            await site.client.get_agent(site.agent_id)


@asynccontextmanager
async def linked_agent(
    site: Site, url: str, workspace: Path, environment: dict[str, str], heartbeat: Heartbeat
) -> AsyncIterator[WorkspaceAgent]:
    settings = AgentSettings(workspace, workspace.parent / "sources.json")
    async with AgentClient(site.url, site.agent_token) as control_plane:
        dial = websocket_dialer(url, site.agent_token, heartbeat)
        agent = WorkspaceAgent(settings, control_plane, dial, environment=environment)
        task = asyncio.create_task(agent.run())
        try:
            await until(site, agent.calls.is_linked)
            yield agent
        finally:
            agent.stop()
            await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), WAIT_S)


@pytest.fixture(params=[(QUICK, SLOW), (SLOW, QUICK)], ids=["agent_notices", "server_notices"])
def heartbeats(request: pytest.FixtureRequest) -> tuple[Heartbeat, Heartbeat]:
    """How often the agent asks, and how often the server does."""
    found: tuple[Heartbeat, Heartbeat] = request.param
    return found


@pytest.fixture
async def patient_site(
    sqlite_template: Path, tmp_path: Path, heartbeats: tuple[Heartbeat, Heartbeat]
) -> AsyncIterator[Site]:
    database = tmp_path / "driftpin.db"
    shutil.copyfile(sqlite_template, database)
    async with open_site(f"sqlite:///{database}", heartbeat=heartbeats[1]) as site:
        yield site


@pytest.mark.parametrize("is_there", [True, False], ids=["loses_requests", "loses_answers"])
async def test_x31_either_end_notices_and_the_agent_is_linked_once_again(
    patient_site: Site,
    workspace: Path,
    environment: dict[str, str],
    heartbeats: tuple[Heartbeat, Heartbeat],
    is_there: bool,
) -> None:
    site, lost = patient_site, OneWay(loses_there=is_there, loses_back=not is_there)
    async with (
        proxied(target_of(site.url), lost.plan_next) as proxy,
        linked_agent(site, proxy.url, workspace, environment, heartbeats[0]) as agent,
    ):
        links, agent_id = site.server.services.links, AgentId(site.agent_id)
        await until(site, lambda: len(links.all()) == 1)
        first = len(lost.plans)
        lost.lose()
        await until(site, lambda: len(lost.plans) > first and agent.calls.is_linked())
        await until(site, lambda: len(links.all()) == 1)
        assert await asyncio.wait_for(links.call(agent_id, "ping", {}), WAIT_S) == {}
        async with asyncio.timeout(NOTICED_S):
            while not (await site.client.get_agent(site.agent_id)).is_connected:
                continue


async def test_x31_a_push_whose_answer_never_comes_is_sent_again_and_stored_once(
    site: Site, tmp_path: Path
) -> None:
    lost, seen = OneWay(loses_back=True), Counter[str]()
    async with (
        proxied(target_of(site.url), lost.plan_next) as proxy,
        pushing_agent(proxy.url, site.agent_token, "run", seen, answer_timeout_s=ANSWER_S) as agent,
    ):
        await agent.deliver(b"first")
        lost.lose()
        await agent.deliver(b"second")
        head = (await site.client.get_agent(site.agent_id)).head
    assert seen["unreachable"] >= 1
    assert seen["duplicate"] >= 1
    assert [stored.digest for stored in stored_heads(tmp_path)] == agent.offered
    assert head is not None
    assert head.digest == agent.offered[-1]
