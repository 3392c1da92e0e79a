"""A directory with a plan for the fake server, and an engine that runs it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from driftpin.agent.mcp_configs import FoundServer
from driftpin.agent.mcp_engine import Approval, McpEngine
from driftpin.agent.mcp_memory import CatalogueFile
from driftpin.agent.mcp_session import Surroundings
from driftpin.clock import SystemClock
from driftpin.context.launch import Launch, Transport
from driftpin.context.resource import ServerObservation

PROGRAM = Path(__file__).parent / "fake_server.py"
KEY = bytes(32)
WAIT_S = 5.0
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def tool(name: str = "read", **fields: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **fields}


@dataclass
class Bench:
    """Where a fake server runs. `changed` is set at every change that an engine tells."""

    directory: Path
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def plan(self) -> Path:
        return self.directory / "plan.json"

    def write(self, **plan: Any) -> None:
        temporary = self.directory / "plan.new"
        temporary.write_text(json.dumps(plan), encoding="utf-8")
        temporary.replace(self.plan)

    def server(self, name: str = "fake", **fields: Any) -> FoundServer:
        launch = Launch(
            Transport.STDIO,
            command=sys.executable,
            args=(str(PROGRAM), str(self.plan)),
            **fields,
        )
        return FoundServer(f"mcp:{name}", "workspace:.mcp.json", launch)

    def engine(self) -> McpEngine:
        return McpEngine(
            Surroundings(self.directory, self.environment),
            CatalogueFile(self.directory / "state" / "catalogues.json"),
            KEY,
            clock=SystemClock(),
            on_change=self.changed.set,
        )

    @asynccontextmanager
    async def running(self, *servers: FoundServer) -> AsyncIterator[McpEngine]:
        """Give an engine that runs these servers, approved as they are."""
        engine = self.engine()
        running = asyncio.create_task(engine.run())
        engine.list_servers(servers)
        engine.approve(approvals_of(*servers))
        try:
            yield engine
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds; it is asked again at every change."""
        async with asyncio.timeout(WAIT_S):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


async def unheard(_done: float, _total: float | None, _text: str | None) -> None:
    """Take word of progress, and do nothing about it."""


def approvals_of(*servers: FoundServer, allows_private: bool = False) -> dict[Any, Approval]:
    return {
        server.launch.identity: Approval(
            server.launch.identity, server.launch.keyed_digest(KEY), allows_private
        )
        for server in servers
    }


def state_of(engine: McpEngine, source: str = "mcp:fake") -> ServerObservation:
    return {each.source: each for each in engine.observations()}[source]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
