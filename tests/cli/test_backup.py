"""`driftpin backup` and `restore` on a running installation, with a real agent process."""

import asyncio
import json
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cli.machine import END_WAIT_S, Machine
from cli.test_serve import line_with, running
from driftpin.client import Client
from driftpin.server.serve import bind
from driftpin.wire.api import CreateAgentRequest, CreateWorkspaceRequest

WAIT_S = 60.0
ENROLLED = "published 2 resources, 0 not ok"


def free_port() -> int:
    with bind("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Deployment:
    """A server of a machine at one address, started as often as a test wants."""

    machine: Machine
    port: int
    workspace_id: str = ""

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[str]]:
        """Serve, and stop as a person would."""
        with running(self.machine, "serve", "--port", str(self.port)) as server:
            line_with(server, "driftpin serves at")
            yield server
            server.send_signal(signal.SIGINT)
            assert server.wait(END_WAIT_S) == 0

    def client(self) -> Client:
        known = json.loads((self.machine.state / "server.json").read_text(encoding="utf-8"))
        return Client(known["url"], known["token"])

    async def enrol(self) -> str:
        """Make the workspace and return its agent's token."""
        async with self.client() as client:
            workspace = await client.create_workspace(CreateWorkspaceRequest(name="w"))
            self.workspace_id = workspace.id
            return (await client.enrol_agent(workspace.id, CreateAgentRequest(name="a"))).token

    async def head(self, *, other_than: str | None = None) -> str:
        """Return the digest of the workspace's head once it is another than this one."""
        async with asyncio.timeout(WAIT_S), self.client() as client, client.watch_events() as told:
            while True:
                head = (await client.get_workspace_context(self.workspace_id)).snapshot
                if head not in (None, other_than):
                    return str(head)
                await anext(told)


def test_x55_an_agent_brings_back_what_a_restored_server_has_forgotten(machine: Machine) -> None:
    deployment = Deployment(machine, free_port())
    file = machine.root / "a.backup"
    with deployment.serving():
        machine.variables["DRIFTPIN_AGENT_TOKEN"] = asyncio.run(deployment.enrol())
        url = f"http://127.0.0.1:{deployment.port}"
    with running(machine, "agent", "--url", url) as agent_process:
        with deployment.serving():
            line_with(agent_process, ENROLLED)
            first = asyncio.run(deployment.head())
            assert machine.run("backup", str(file)).code == 0
            machine.edit_rules("# Rules\n\nUse spaces.\n")
            second = asyncio.run(deployment.head(other_than=first))
            in_use = machine.run("restore", str(file), "--replace")
            assert (in_use.code, "stop it first" in in_use.err) == (2, True)
        assert machine.run("restore", str(file)).code == 2
        assert machine.run("restore", str(file), "--replace").code == 0
        with deployment.serving():
            assert asyncio.run(deployment.head(other_than=first)) == second
            assert machine.run("fsck").code == 0
        agent_process.send_signal(signal.SIGTERM)
        assert agent_process.wait(END_WAIT_S) == 0


def test_a_backup_of_nothing_and_a_restore_of_nothing_say_so(machine: Machine) -> None:
    assert "no database" in machine.run("backup", str(machine.root)).err
    assert "no backup" in machine.run("restore", str(machine.root / "none")).err


def test_a_directory_gets_a_file_that_only_its_owner_reads(machine: Machine) -> None:
    with Deployment(machine, free_port()).serving():
        told = machine.run("backup", str(machine.root), "--json").json
    (file,) = machine.root.glob("driftpin-*.backup")
    assert told["file"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(file.read_bytes()[:-9])
    refused = machine.run("restore", str(file), "--database", f"sqlite:///{machine.root}/new.db")
    assert (refused.code, "not whole" in refused.err) == (2, True)
