"""A served site with an agent on a workspace of its own, and short ways to let its servers run."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from driftpin.agent.agent import AgentSettings, WorkspaceAgent
from driftpin.agent.dial import websocket_dialer
from driftpin.agent.mcp_servers import McpPlaces
from driftpin.agent.schedule import Timing
from driftpin.client import Client
from driftpin.wire.approvals import DecisionRequest, ServerShape
from mcp_agent.conftest import PROGRAM, Bench
from served import Site

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
