"""A server on a real socket, with everything that runs by itself, in the test's own loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from door import push_body
from driftpin.client import AgentClient, Client
from driftpin.clock import Clock, SystemClock
from driftpin.identity import RandomIds
from driftpin.server.app import Server, WorkersFactory
from driftpin.server.bootstrap import ensure_first_user
from driftpin.server.serve import bind, serve, url_of
from driftpin.server.services import ServerOptions
from driftpin.server.sockets import Sockets
from driftpin.store.database import Database
from driftpin.wire.agent import HelloRequest, PushReply, PushRequest
from driftpin.wire.api import (
    ChatShape,
    CreateAgentRequest,
    CreateChatRequest,
    CreateWorkspaceRequest,
)
from driftpin.wire.link import Heartbeat

WAIT_S = 5.0
# Beside many others a machine takes long to begin anything.
START_S = 30.0


@dataclass(slots=True)
class Site:
    """A served server with its first user, a workspace, and an enrolled agent."""

    url: str
    server: Server
    serving: asyncio.Task[None]
    token: str
    client: Client
    workspace_id: str
    agent_id: str
    agent_token: str
    agent: AgentClient
    seq: int = 0

    async def hello(self, run_id: str = "run") -> int:
        """Say hello as the agent; return the incarnation."""
        return (await self.agent.hello(HelloRequest(run_id=run_id))).incarnation

    async def push(self, *, incarnation: int = 1, **texts: str) -> PushReply:
        """Push instruction files as the agent."""
        self.seq += 1
        body = push_body(seq=self.seq, incarnation=incarnation, **texts)
        return await self.agent.push(PushRequest.model_validate(body, strict=False))

    async def chat(self) -> ChatShape:
        """Create a chat."""
        return await self.client.create_chat(CreateChatRequest(workspace_id=self.workspace_id))


@asynccontextmanager
async def open_server(
    database_url: str,
    options: ServerOptions | None = None,
    sockets: Sockets | None = None,
    *,
    clock: Clock | None = None,
    port: int = 0,
    heartbeat: Heartbeat | None = None,
    make_workers: WorkersFactory | None = None,
) -> AsyncIterator[tuple[str, Server, asyncio.Task[None]]]:
    """Serve on a free port until this is left; stopping must take no longer than a wait."""
    database = Database(database_url, clock=clock or SystemClock(), ids=RandomIds())
    server = Server(database, options=options or ServerOptions(), make_workers=make_workers)
    listener = bind("127.0.0.1", port)
    ready = asyncio.Event()
    serving = asyncio.create_task(
        serve(server, listener, on_ready=ready.set, sockets=sockets, heartbeat=heartbeat)
    )
    try:
        async with asyncio.timeout(START_S):
            await ready.wait()
        yield url_of(listener), server, serving
    finally:
        serving.cancel()
        await asyncio.wait({serving}, timeout=2 * WAIT_S)
        assert serving.done(), "the server stops"


@asynccontextmanager
async def open_site(
    database_url: str,
    options: ServerOptions | None = None,
    sockets: Sockets | None = None,
    *,
    clock: Clock | None = None,
    port: int = 0,
    heartbeat: Heartbeat | None = None,
    make_workers: WorkersFactory | None = None,
) -> AsyncIterator[Site]:
    """Serve a database that nobody has used yet, with a first user, a workspace and an agent."""
    async with open_server(
        database_url,
        options,
        sockets,
        clock=clock,
        port=port,
        heartbeat=heartbeat,
        make_workers=make_workers,
    ) as (url, server, serving):
        _, token = await ensure_first_user(server.services.store, None)
        async with Client(url, token) as client:
            workspace = await client.create_workspace(CreateWorkspaceRequest(name="here"))
            enrolled = await client.enrol_agent(workspace.id, CreateAgentRequest())
            async with AgentClient(url, enrolled.token) as agent:
                yield Site(
                    url=url,
                    server=server,
                    serving=serving,
                    token=token,
                    client=client,
                    workspace_id=workspace.id,
                    agent_id=enrolled.id,
                    agent_token=enrolled.token,
                    agent=agent,
                )
