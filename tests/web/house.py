"""A server and an agent that run for a person's pages, and the files that the agent watches."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from cli.machine import Machine
from driftpin.agent.local_client import call_agent, find_socket
from driftpin.agent.local_protocol import LocalCall
from driftpin.client import Client
from driftpin.wire.approvals import DecisionRequest


@dataclass(frozen=True)
class House:
    """A machine on which `driftpin up` runs, whom it signs in, and what `scripted` will say."""

    machine: Machine
    url: str
    token: str
    script: Path

    @property
    def workspace(self) -> Path:
        """The directory that the agent watches."""
        return self.machine.workspace

    async def make_link(self) -> str:
        """Return the path of a link that signs a browser in once."""
        async with Client(self.url, self.token) as client:
            return (await client.create_login_link()).path

    def play(self, *steps: object) -> None:
        """Have chats of the model `scripted` answered by these steps."""
        self.script.write_text(json.dumps({"steps": steps}), encoding="utf-8")

    async def allow(self) -> None:
        """Allow every MCP server that is listed to run."""
        async with Client(self.url, self.token) as client:
            workspace_id = (await client.list_workspaces())[0].id
            for server in await client.list_approvals(workspace_id):
                wish = DecisionRequest(decision="allow", keyed_digest=server.keyed_digest)
                await client.decide_server(workspace_id, server.identity, wish)

    def edit(self, text: str, name: str = "AGENTS.md") -> None:
        """Edit a file of the workspace."""
        (self.workspace / name).write_text(text, encoding="utf-8")

    async def publish(self, text: str, name: str = "AGENTS.md") -> None:
        """Edit a file, and return when the server has accepted what came of it."""
        self.edit(text, name)
        await self.resync()

    async def resync(self) -> None:
        """Return when the server has accepted the workspace as it is."""
        path = find_socket(self.workspace, self.machine.environment)
        assert path is not None, "an agent runs"
        await asyncio.to_thread(call_agent, path, LocalCall.RESYNC)


__all__ = ["House"]
