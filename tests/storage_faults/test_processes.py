"""Whole servers on disks that are full or read-only, and two servers by mistake."""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from door import push_body
from driftpin.client import AgentClient, Client
from driftpin.errors import Unavailable
from driftpin.wire.agent import HelloRequest, PushReply, PushRequest
from driftpin.wire.api import CreateAgentRequest, CreateWorkspaceRequest
from replicas import PROGRAM, START_S, ReplicaDied, replica, start_replica

DISK_BYTES = 8 * 1024 * 1024
FILLER_BYTES = 3 * 1024 * 1024
# Whoever may not mount may do so in a user namespace of his own.
OWN_MOUNTS = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-Urm")


@asynccontextmanager
async def server_on_a_disk(directory: Path, *before: str) -> AsyncIterator[Process]:
    """Give a server whose database is on a small disk that only it has; `before` runs on it."""
    await asyncio.to_thread(directory.mkdir)
    asked = json.dumps({"database_url": f"sqlite:///{directory / 'driftpin.db'}"})
    steps = (f"mount -t tmpfs -o size={DISK_BYTES} tmpfs {directory}", *before, 'exec "$@"')
    script = " && ".join(steps)
    process = await asyncio.create_subprocess_exec(
        *OWN_MOUNTS, "sh", "-c", script, "sh", sys.executable, str(PROGRAM), asked,
        stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said_by(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(START_S):
        said: dict[str, Any] = json.loads(await process.stdout.readline())
        return said


async def push(agent: AgentClient, seq: int, text: str) -> PushReply:
    body = push_body(seq=seq, AGENTS=text)
    return await agent.push(PushRequest.model_validate(body, strict=False))


async def test_x7_a_server_on_a_full_disk_goes_on_without_a_restart(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    filling = f"head -c {FILLER_BYTES} /dev/zero > {disk}/filler"
    async with server_on_a_disk(disk, filling) as process:
        said = await said_by(process)
        async with Client(said["url"], said["token"]) as client:
            workspace = await client.create_workspace(CreateWorkspaceRequest(name="w"))
            enrolled = await client.enrol_agent(workspace.id, CreateAgentRequest())
            async with AgentClient(said["url"], enrolled.token) as agent:
                await agent.hello(HelloRequest(run_id="run"))
                accepted, refusal = await fill(agent)
                assert refusal.code == "storage_full"
                head = (await client.get_workspace_context(workspace.id)).snapshot
                assert head == accepted
                await asyncio.to_thread(Path(f"/proc/{process.pid}/root{disk}/filler").unlink)
                later = await push(agent, 1_000, "after")
                assert later.result == "accepted"


async def fill(agent: AgentClient) -> tuple[str, Unavailable]:
    """Push until the disk is full; return the last head that was accepted, and the refusal."""
    accepted = ""
    for seq in range(1, DISK_BYTES // 30_000):
        try:
            # Random digits, so that nothing is alike.
            accepted = (await push(agent, seq, os.urandom(30_000).hex())).head.digest
        except Unavailable as refusal:
            return accepted, refusal
    raise AssertionError("the disk was never full")


async def test_x9_a_server_on_a_read_only_disk_refuses_to_start(
    tmp_path: Path, sqlite_template: Path
) -> None:
    disk = tmp_path / "disk"
    copied = tmp_path / "template.db"
    shutil.copyfile(sqlite_template, copied)
    steps = (f"cp {copied} {disk}/driftpin.db", f"mount -o remount,ro {disk}")
    async with server_on_a_disk(disk, *steps) as process:
        _, told = await process.communicate()
    assert process.returncode != 0
    assert b"database_read_only" in told or b"cannot be written" in told


async def test_x11_a_second_server_on_one_file_is_refused_and_harms_nothing(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'driftpin.db'}"
    async with replica(url) as first:
        with pytest.raises(ReplicaDied):
            await start_replica(url)
        async with Client(first.url, first.token) as client:
            assert (await client.create_workspace(CreateWorkspaceRequest(name="w"))).name == "w"
