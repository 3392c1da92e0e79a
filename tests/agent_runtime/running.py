"""A whole agent on a real directory, against a server that keeps to the rules."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_runtime.world import WAIT_S, RuleKeepingServer
from driftpin.agent.agent import AgentSettings, WorkspaceAgent
from driftpin.agent.link import LinkConnection
from driftpin.agent.local_client import call_agent
from driftpin.agent.local_protocol import LocalCall, socket_paths
from driftpin.agent.readiness import ReadinessSettings
from driftpin.agent.schedule import Timing
from driftpin.errors import Unreachable
from driftpin.failpoints import Reach, pass_by
from driftpin.identity import Digest, digest_of


def no_link(_incarnation: int) -> AbstractAsyncContextManager[LinkConnection]:
    raise Unreachable


@dataclass(frozen=True, slots=True)
class RunningAgent:
    """An agent at work, and where to talk to it."""

    agent: WorkspaceAgent
    server: RuleKeepingServer
    task: asyncio.Task[None]
    socket: Path

    async def call(self, call: LocalCall, **arguments: object) -> Any:
        return await asyncio.to_thread(call_agent, self.socket, call, arguments)

    async def ended(self) -> None:
        await asyncio.wait_for(self.task, WAIT_S)

    async def wait_for_body(self, body: str) -> None:
        """Return when the head names these bytes."""
        digest = digest_of(body.encode())
        await self.server.wait_for(lambda: digest in self.head_digests())

    def head_digests(self) -> set[Digest]:
        """Return the digests of instruction files that the newest accepted push names."""
        accepted = [
            push
            for push, result in zip(self.server.pushes, self.server.results, strict=False)
            if result in ("accepted", "unchanged")
        ]
        listed = accepted[-1].manifest["resources"] if accepted else []
        assert isinstance(listed, list)
        return {
            Digest(str(entry["digest"]))
            for entry in listed
            if isinstance(entry, dict) and "digest" in entry
        }


@asynccontextmanager
async def running_agent(
    workspace: Path,
    environment: Mapping[str, str],
    *,
    timing: Timing | None = None,
    readiness: ReadinessSettings | None = None,
    server: RuleKeepingServer | None = None,
    reach: Reach = pass_by,
) -> AsyncIterator[RunningAgent]:
    """Run an agent until the block ends."""
    server = server or RuleKeepingServer()
    settings = AgentSettings(
        directory=workspace,
        sources_path=workspace.parent / "state" / "sources.json",
        timing=timing or Timing(),
        readiness=readiness or ReadinessSettings(),
    )
    agent = WorkspaceAgent(settings, server, no_link, environment=environment, reach=reach)
    task = asyncio.create_task(agent.run())
    socket = socket_paths(workspace, environment)[0]
    listening = asyncio.create_task(agent.listening.wait())
    await asyncio.wait({task, listening}, timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield RunningAgent(agent, server, task, socket)
    finally:
        listening.cancel()
        agent.stop()
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), WAIT_S)
