"""Stopping a real server process in the middle of all (spec/faults.md X53)."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from door import push_body
from driftpin.client import AgentClient, Client
from driftpin.errors import DriftpinError
from driftpin.wire.agent import HelloRequest, PushRequest
from driftpin.wire.api import CreateAgentRequest, CreateChatRequest, CreateWorkspaceRequest

PROGRAM = Path(__file__).parent / "serving.py"
STOP_S = 10.0
START_S = 15.0


@asynccontextmanager
async def process(database_url: str) -> AsyncIterator[tuple[Process, str, str]]:
    started = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), database_url, stdout=PIPE
    )
    try:
        assert started.stdout is not None
        async with asyncio.timeout(START_S):
            line = await started.stdout.readline()
        url, token = line.decode().split()
        yield started, url, token
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def ended(started: Process, number: int) -> str:
    """Signal the process, and return what it said until its end, which comes in time."""
    started.send_signal(number)
    assert started.stdout is not None
    async with asyncio.timeout(STOP_S):
        said = await started.stdout.read()
        await started.wait()
    return said.decode().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_x53_a_server_with_open_streams_and_links_stops_in_time(
    database_url: str, number: int
) -> None:
    async with process(database_url) as (started, url, token), AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(url, token))
        workspace = await client.create_workspace(CreateWorkspaceRequest(name="x"))
        agent = await client.enrol_agent(workspace.id, CreateAgentRequest())
        chat = await client.create_chat(CreateChatRequest(workspace_id=workspace.id))
        for _ in range(5):
            await stack.enter_async_context(client.watch_events())
            await stack.enter_async_context(client.watch_chat(chat.id))
        socket = await stack.enter_async_context(
            connect(
                url.replace("http", "ws", 1) + "/api/v1/agent/link",
                additional_headers={"Authorization": f"Bearer {agent.token}"},
                proxy=None,
            )
        )
        assert await ended(started, number) == "stopped"
        assert started.returncode == 0
        async with asyncio.timeout(STOP_S):
            await socket.wait_closed()


async def test_x53_no_acknowledged_push_is_lost(database_url: str) -> None:
    acknowledged = 0
    async with process(database_url) as (started, url, token), Client(url, token) as client:
        workspace = await client.create_workspace(CreateWorkspaceRequest(name="x"))
        enrolled = await client.enrol_agent(workspace.id, CreateAgentRequest())
        async with AgentClient(url, enrolled.token) as agent:
            await agent.hello(HelloRequest(run_id="r"))
            enough = asyncio.Event()

            async def push_on() -> None:
                nonlocal acknowledged
                for seq in range(1, 1_000):
                    body = PushRequest.model_validate(
                        push_body(seq=seq, AGENTS=f"{seq}"), strict=False
                    )
                    try:
                        await agent.push(body)
                    except DriftpinError:
                        return
                    acknowledged = seq
                    if seq == 10:
                        enough.set()

            pushing = asyncio.create_task(push_on())
            async with asyncio.timeout(STOP_S):
                await enough.wait()
            assert await ended(started, signal.SIGTERM) == "stopped"
            await pushing
    async with process(database_url) as (_, url, _), AgentClient(url, enrolled.token) as agent:
        hello = await agent.hello(HelloRequest(run_id="r"))
        assert hello.head is not None
        assert hello.head.seq >= acknowledged >= 10


async def test_a_database_is_served_by_one_process_at_a_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'driftpin.db'}"
    async with process(url) as (first, _, _):
        second = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), url, stdout=PIPE, stderr=PIPE
        )
        async with asyncio.timeout(START_S):
            _, complaint = await second.communicate()
        assert second.returncode != 0
        assert str(first.pid) in complaint.decode()
