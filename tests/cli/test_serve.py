"""`serve` and `agent` by themselves: for who runs them on two machines."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from cli.machine import DRIFTPIN, END_WAIT_S, Machine
from driftpin.client import Client
from driftpin.wire.api import CreateAgentRequest, CreateWorkspaceRequest

# An agent that waits tells nobody that its socket is there; each try is a process of its own.
TRIES_MAX = 20


@contextmanager
def running(machine: Machine, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*DRIFTPIN, *arguments],
        cwd=machine.workspace,
        env=machine.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(END_WAIT_S)
        assert process.stderr is not None
        process.stderr.close()


def line_with(process: subprocess.Popen[str], part: str) -> str:
    assert process.stderr is not None
    return next(line for line in process.stderr if part in line)


def test_server_and_agent_started_apart_work_together(machine: Machine) -> None:
    with running(machine, "serve", "--port", "0") as server:
        line_with(server, "driftpin serves at")
        known = json.loads((machine.state / "server.json").read_text(encoding="utf-8"))

        async def enrol() -> str:
            async with Client(known["url"], known["token"]) as client:
                workspace = await client.create_workspace(CreateWorkspaceRequest(name="w"))
                agent = await client.enrol_agent(workspace.id, CreateAgentRequest(name="a"))
                return agent.token

        machine.variables["DRIFTPIN_AGENT_TOKEN"] = asyncio.run(enrol())
        arguments = ("agent", "--url", known["url"], "--wait-for-ready")
        with running(machine, *arguments) as agent:
            assert any(machine.run("ready").code == 0 for _try in range(TRIES_MAX))
            line_with(agent, "published 2 resources, 0 not ok")
            assert machine.run("chat", "new").code == 0
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(END_WAIT_S) == 0
        server.send_signal(signal.SIGINT)
        assert server.wait(END_WAIT_S) == 0


def test_agent_without_token_or_address_says_what_is_missing(machine: Machine) -> None:
    without_url = machine.run("agent")
    assert without_url.code == 2
    assert "DRIFTPIN_URL" in without_url.err
    without_token = machine.run("agent", "--url", "http://127.0.0.1:1")
    assert without_token.code == 4
    assert "DRIFTPIN_AGENT_TOKEN" in without_token.err


def test_second_server_on_one_database_is_refused(machine: Machine) -> None:
    with running(machine, "serve", "--port", "0") as server:
        line_with(server, "driftpin serves at")
        second = machine.run("serve", "--port", "0")
        assert second.code == 2
        assert "stop it first" in second.err


def test_port_in_use_is_named(machine: Machine) -> None:
    with running(machine, "serve", "--port", "0") as server:
        url = line_with(server, "driftpin serves at").split()[3].rstrip(";")
        other = Machine(machine.root / "other", machine.bytecode)
        other.make_workspace()
        ended = other.run("serve", "--port", url.rpartition(":")[2])
        assert ended.code == 2
        assert "Cannot listen" in ended.err
