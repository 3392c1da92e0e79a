"""A pin with files, a skill and a tool of a real MCP server, and the protocol's clients on it."""

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import mcp_types
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from driftpin.agent.agent import WorkspaceAgent
from driftpin.runner.agent_tools import ToolRules
from driftpin.server.services import Services
from driftpin.wire.api import ContextShape, RefreshRequest
from mcp_agent.conftest import NUMBER, tool
from mcp_agent.story import an_agent
from mcp_agent.talking import Talk, open_talk
from served import Site

LEGACY, MODERN = "legacy", "2026-07-28"
ERAS = (LEGACY, MODERN)
SKILL = "---\nname: tidy\ndescription: Tidies up.\n---\nRun `run.sh`.\n"
PICTURE = bytes(range(256))
WAIT_S = 30.0
CARRIERS = ("http", "stdio")
EVERY_LIST = (
    "notifications/resources/list_changed",
    "notifications/prompts/list_changed",
    "notifications/tools/list_changed",
)


@dataclass
class Heard:
    """What a server told a client without being asked."""

    methods: list[str] = field(default_factory=list)
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, message: Any) -> None:
        method = getattr(message, "method", None)
        if method is not None:
            self.methods.append(method)
            self._came.set()

    async def wait_a_moment(self) -> None:
        """Wait until something was told, or for not very long."""
        self._came.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._came.wait(), 0.5)

    async def wait_for(self, *methods: str) -> None:
        """Wait until each of these was told."""
        async with asyncio.timeout(WAIT_S):
            while not set(methods) <= set(self.methods):
                self._came.clear()
                await self._came.wait()


@dataclass
class Visit:
    """A served site, a chat of it with its pin, and the agent that runs."""

    talk: Talk
    chat_id: str
    agent: WorkspaceAgent
    # What the MCP server was told to do.
    plan: dict[str, Any]

    @property
    def url(self) -> str:
        return self.url_of(self.chat_id)

    @property
    def services(self) -> Services:
        return self.talk.site.server.services

    def url_of(self, chat_id: str) -> str:
        return f"{self.talk.site.url}/mcp/chats/{chat_id}"

    def client(self, mode: str = LEGACY, **options: Any) -> AbstractAsyncContextManager[Client]:
        return over_http(self.url, self.talk.site.token, mode, **options)

    async def context(self) -> ContextShape:
        return (await self.talk.client.get_chat(self.chat_id)).context

    async def edit(self, text: str) -> str:
        """Edit the instruction file; return the head that came of it."""
        before = (await self.context()).head
        (self.talk.bench.directory / "AGENTS.md").write_text(text, encoding="utf-8")

        async def is_newer() -> bool:
            return (await self.context()).head != before

        await self.talk.until(is_newer)
        return str((await self.context()).head)

    async def refresh(self) -> None:
        await self.talk.client.refresh_context(self.chat_id, RefreshRequest())

    async def end_agent(self) -> None:
        """End the agent, and return when the server knows."""
        self.agent.stop()

        async def is_away() -> bool:
            return len(self.services.links) == 0

        await self.talk.until(is_away)


@asynccontextmanager
async def over_http(
    url: str, token: str, mode: str = LEGACY, **options: Any
) -> AsyncIterator[Client]:
    """Give the protocol's own client, connected over HTTP."""
    async with httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {token}"}, timeout=WAIT_S, trust_env=False
    ) as http:
        carrier = streamable_http_client(url, http_client=http)
        async with Client(carrier, mode=mode, **options) as client:
            yield client


@asynccontextmanager
async def over_stdio(visit: Visit, mode: str = LEGACY, **options: Any) -> AsyncIterator[Client]:
    """Give the same client, connected to `driftpin mcp`, a process of its own."""
    command = StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "driftpin", "mcp", visit.chat_id],
        env=stdio_environment(visit.talk.site, visit.talk.bench.directory.parent),
    )
    async with Client(stdio_client(command), mode=mode, **options) as client:
        yield client


def stdio_environment(site: Site, place: Path) -> dict[str, str]:
    """Return the environment in which the command line finds the site."""
    return {
        "DRIFTPIN_URL": site.url,
        "DRIFTPIN_TOKEN": site.token,
        "DRIFTPIN_STATE_DIR": str(place / "cli"),
        "HOME": str(place),
        "PATH": os.environ["PATH"],
    }


def visiting(
    visit: Visit, carrier: str, mode: str = LEGACY, **options: Any
) -> AbstractAsyncContextManager[Client]:
    """Give a client by the name of its carrier."""
    if carrier == "http":
        return visit.client(mode, **options)
    return over_stdio(visit, mode, **options)


def write_skill(directory: Path, name: str = "tidy") -> Path:
    skill = directory / ".agents" / "skills" / name
    skill.mkdir(parents=True)
    (skill / "SKILL.md").write_text(SKILL.replace("tidy", name), encoding="utf-8")
    (skill / "run.sh").write_text("#!/bin/sh\necho tidy\n", encoding="utf-8")
    (skill / "logo.png").write_bytes(PICTURE)
    return skill


@asynccontextmanager
async def open_visit(
    database_url: str, tmp_path: Path, rules: ToolRules | None = None, **plan: Any
) -> AsyncIterator[Visit]:
    """Give a site whose agent runs, and a chat that is pinned to all that it has."""
    async with open_talk(database_url, tmp_path, rules) as talk:
        write_skill(talk.bench.directory)
        written = {"tools": [tool("add", inputSchema=NUMBER, description="Adds.")], **plan}
        talk.bench.write(**written)
        talk.list_server()
        async with an_agent(talk.site, talk.bench) as agent:
            await talk.until_pinnable()
            yield Visit(talk, (await talk.chat()).id, agent, written)


def text_in(result: mcp_types.CallToolResult) -> str:
    return "\n".join(each.text for each in result.content if each.type == "text")


def code_of(error: MCPError) -> str:
    return str(error.data["code"])


async def read(client: Client, uri: str) -> str | bytes:
    """Return a resource as what it is: text or bytes."""
    (found,) = (await client.read_resource(uri)).contents
    if isinstance(found, mcp_types.TextResourceContents):
        return found.text
    return base64.b64decode(found.blob)


def uris_by_name(listed: mcp_types.ListResourcesResult) -> dict[str, str]:
    return {each.name: each.uri for each in listed.resources}


def failure_of(result: mcp_types.CallToolResult) -> str:
    """Return the stable code of a call that failed."""
    assert result.is_error
    return str((result.meta or {})["driftpin/code"])
