"""Stopping a real server process in the middle of all (spec/faults.md X53)."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from door import push_body
from driftpin.client import AgentClient, Client
from driftpin.errors import DriftpinError
from driftpin.server.tailer import Tailer
from driftpin.wire.agent import HelloRequest, PushRequest
from driftpin.wire.api import CreateAgentRequest, CreateChatRequest, CreateWorkspaceRequest
from replicas import PROGRAM, START_S, STOP_S, replica


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_x53_a_server_with_open_streams_and_links_stops_in_time(
    database_url: str, number: int
) -> None:
    async with replica(database_url) as started, AsyncExitStack() as stack:
        url = started.url
        client = await stack.enter_async_context(Client(url, started.token))
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
        assert await started.stop(number) == "stopped"
        assert started.process.returncode == 0
        async with asyncio.timeout(STOP_S):
            await socket.wait_closed()


async def test_x53_no_acknowledged_push_is_lost(database_url: str) -> None:
    acknowledged = 0
    async with (
        replica(database_url) as started,
        Client(started.url, started.token) as client,
    ):
        workspace = await client.create_workspace(CreateWorkspaceRequest(name="x"))
        enrolled = await client.enrol_agent(workspace.id, CreateAgentRequest())
        async with AgentClient(started.url, enrolled.token) as agent:
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
            assert await started.stop() == "stopped"
            await pushing
    async with (
        replica(database_url) as started,
        AgentClient(started.url, enrolled.token) as agent,
    ):
        hello = await agent.hello(HelloRequest(run_id="r"))
        assert hello.head is not None
        assert hello.head.seq >= acknowledged >= 10


async def test_a_database_is_served_by_one_process_at_a_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'driftpin.db'}"
    async with replica(url) as first:
        second = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAM),
            json.dumps({"database_url": url}),
            stdout=PIPE,
            stderr=PIPE,
        )
        async with asyncio.timeout(START_S):
            _, complaint = await second.communicate()
        assert second.returncode != 0
        assert str(first.pid) in complaint.decode()


async def test_streams_are_ended_again_while_one_is_still_giving_up() -> None:
    tailer = Tailer()
    has_begun, is_giving_up, let_go = (asyncio.Event() for _ in range(3))

    async def step() -> None:
        async with tailer.bounded():
            has_begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                is_giving_up.set()
                await let_go.wait()

    stepping = asyncio.create_task(step())
    await asyncio.wait_for(has_begun.wait(), STOP_S)
    tailer.end_streams("storage_unavailable")
    await asyncio.wait_for(is_giving_up.wait(), STOP_S)
    tailer.close("stopping")
    let_go.set()
    with pytest.raises(TimeoutError):
        await stepping
