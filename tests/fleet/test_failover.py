"""PostgreSQL fails over to a standby that every commit waited for (spec/faults.md X15)."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url

from driftpin.client import AgentClient, Client
from driftpin.clock import SystemClock
from driftpin.errors import DriftpinError
from driftpin.identity import WORKER, RandomIds
from driftpin.operations.check_store import check_store
from driftpin.store.database import Database
from driftpin.store.store import Store
from driftpin.wire.agent import HelloRequest
from driftpin.wire.api import CreateAgentRequest, CreateChatRequest, CreateWorkspaceRequest
from fleet.notifying import url_through
from fleet.pair import until
from fleet.pushing_on import has_grown, push_on
from fleet.standby import Standby, standby_of
from own_postgres import OwnPostgres, own_postgres
from replicas import replica
from tcp_proxy import proxied

RECOVERY_S = 30.0


@pytest.fixture
def primary() -> Iterator[OwnPostgres]:
    with own_postgres() as server:
        yield server


@pytest.fixture
def standby(primary: OwnPostgres) -> Iterator[Standby]:
    with standby_of(primary) as following:
        yield following


async def test_x15_what_was_acknowledged_is_on_the_standby_and_servers_go_on_there(
    primary: OwnPostgres, standby: Standby
) -> None:
    acknowledged: list[int] = []
    async with proxied(primary.socket) as way:
        url = url_through(way, primary.url)
        async with replica(url) as server, Client(server.url, server.token) as client:
            workspace = await client.create_workspace(CreateWorkspaceRequest(name="x"))
            enrolled = await client.enrol_agent(workspace.id, CreateAgentRequest())
            chat = await client.create_chat(CreateChatRequest(workspace_id=workspace.id))
            async with AgentClient(server.url, enrolled.token) as agent:
                hello = await agent.hello(HelloRequest(run_id="r"))
                pushing = asyncio.create_task(push_on(agent, hello.incarnation, acknowledged))
                await until(lambda: has_grown(acknowledged))
                await asyncio.to_thread(primary.stop, "immediate")
                await asyncio.wait({pushing})
                await asyncio.to_thread(standby.promote)
                way.target = standby.socket
                head = await greeted_head(agent)
            assert head >= acknowledged[-1] >= 5
            context = await client.get_context(chat.id)
            assert context.revision == 1
        through = make_url(url)
        database = Database(
            through.render_as_string(hide_password=False), clock=SystemClock(), ids=RandomIds()
        )
        assert await check_store(Store(database), WORKER) == ()
        await database.close()


async def greeted_head(agent: AgentClient) -> int:
    """Return the sequence of the head, as soon as a server can tell it again."""
    async with asyncio.timeout(RECOVERY_S):
        while True:
            try:
                head = (await agent.hello(HelloRequest(run_id="r"))).head
            except DriftpinError:
                continue
            return 0 if head is None else head.seq
