"""Every call to an agent, over link and local socket, by every caller; none without a row."""

import ast
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

import driftpin
from agent_runtime.running import running_agent
from driftpin.agent.agent import AgentSettings, WorkspaceAgent
from driftpin.agent.dial import websocket_dialer
from driftpin.agent.link import LinkConnection
from driftpin.agent.local_protocol import LocalCall, LocalRequest, encode_line
from driftpin.client import AgentClient
from driftpin.identity import WORKER, Actor
from driftpin.operations.create_user_token import create_user_token
from driftpin.operations.rotate_agent_token import rotate_agent_token
from driftpin.wire.link import LinkCall
from seams.access_table_calls import LINK_ROWS, LOCAL_ROWS, NEVER_SENT, CallRow, LocalRow
from seams.access_table_routes import CALLERS
from seams.access_table_trust import IDENTITY, list_server
from seams.access_world import Caller, World
from seams.doors import link_calls, local_calls
from seams.ledger import Note
from served import WAIT_S, open_server

STRANGER = 65_534
KNOCK = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
knocking = socket.socket(socket.AF_UNIX)
try:
    knocking.connect(sys.argv[1])
    knocking.sendall(sys.argv[3].encode())
    print(knocking.recv(1) or "closed")
except (BrokenPipeError, ConnectionResetError):
    print("closed")
except OSError as error:
    print(type(error).__name__)
"""


def test_every_call_over_the_link_has_exactly_one_row() -> None:
    assert sorted(row.name for row in LINK_ROWS) == sorted(link_calls())


def test_every_call_over_the_local_socket_has_exactly_one_row() -> None:
    assert sorted(row.name for row in LOCAL_ROWS) == sorted(local_calls())


def test_the_server_sends_no_call_that_has_no_route() -> None:
    sent = {name for name in _texts_given_to_calls() if name in link_calls()}
    assert sent == {row.name for row in LINK_ROWS if row.route is not None}


def _texts_given_to_calls() -> Iterator[str]:
    source = Path(driftpin.__file__).parent
    for room in ("server", "operations", "runner"):
        for path in sorted((source / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    given = [*node.args, *(keyword.value for keyword in node.keywords)]
                    yield from (
                        each.value
                        for each in given
                        if isinstance(each, ast.Constant) and isinstance(each.value, str)
                    )


async def test_a_call_reaches_the_agent_only_for_whom_the_table_says(
    world: World, database_url: str, workspace: Path, environment: dict[str, str], note: Note
) -> None:
    received: asyncio.Queue[str] = asyncio.Queue()
    await list_server(world)
    async with (
        open_server(database_url) as (url, _, _),
        httpx2.AsyncClient(base_url=f"{url}/api/v1") as http,
        _linked_agent(world, url, workspace, environment, received) as own_agent,
    ):
        for row in LINK_ROWS:
            found = {}
            for caller in CALLERS:
                headers = await _headers(world, caller, own_agent=own_agent)
                found[caller] = await _outcome(row, http, world, headers)
                if found[caller] == "ok":
                    assert await asyncio.wait_for(received.get(), WAIT_S) == row.name
                assert received.empty(), (row.name, caller)
            note(f"link {row.name}", *CALLERS)
            assert found == dict(row.outcomes)


async def _outcome(
    row: CallRow, http: httpx2.AsyncClient, world: World, headers: Mapping[str, str]
) -> str:
    if row.route is None:
        return NEVER_SENT
    method, path = row.route
    path = path.format(agent=world.agent_id, workspace=world.workspace_id, identity=IDENTITY)
    if row.before is not None:
        token = await _token(world, world.people.administrator)
        by_administrator = {"Authorization": f"Bearer {token}"}
        prepared = await http.request(method, path, headers=by_administrator, json=row.before)
        assert prepared.is_success
    response = await http.request(method, path, headers=headers, json=row.body)
    return "ok" if response.is_success else str(response.json()["code"])


@pytest.mark.parametrize("row", LOCAL_ROWS, ids=[row.name for row in LOCAL_ROWS])
async def test_the_agents_own_user_may_use_the_socket_whoever_it_is_to_the_server(
    row: LocalRow, workspace: Path, environment: dict[str, str], note: Note
) -> None:
    async with running_agent(workspace, environment) as running:
        for caller in CALLERS:
            name = f"team-{caller.replace('_', '-')}"
            if row.name == LocalCall.SOURCES_REMOVE:
                await running.call(LocalCall.SOURCES_ADD, name=name, path=str(workspace))
            arguments = {**_filled(row, workspace, name), "token": f"a token of {caller}"}
            answer = await running.call(LocalCall(row.name), **arguments)
            assert f"a token of {caller}" not in str(answer)
        assert running.server.hellos <= 1, "the agent speaks to the server as itself alone"
    note(f"local {row.name}", *CALLERS)


def test_another_user_of_the_machine_gets_no_answer(workspace: Path) -> None:
    # Its directory is opened to all on purpose: the second fence is asked alone.
    with tempfile.TemporaryDirectory(prefix="dp-") as runtime:
        Path(runtime).chmod(0o755)
        answers = asyncio.run(_knock(workspace, runtime))
    assert answers == _expected_answers()


async def _knock(workspace: Path, runtime: str) -> list[str]:
    answers = []
    async with running_agent(workspace, {"XDG_RUNTIME_DIR": runtime}) as running:
        line = encode_line(LocalRequest(LocalCall.STATUS)).decode()
        answers.append(await asyncio.to_thread(_asked_by_stranger, running.socket, line))
        running.socket.parent.chmod(0o755)
        running.socket.chmod(0o666)
        answers.append(await asyncio.to_thread(_asked_by_stranger, running.socket, line))
    return answers


def _asked_by_stranger(path: Path, line: str) -> str:
    """Return what another user is told; as an ordinary user, what is kept from others."""
    if os.getuid() != 0:
        return oct(path.parent.stat().st_mode & 0o077)
    asked = subprocess.run(
        [sys.executable, "-c", KNOCK, str(path), str(STRANGER), line],
        capture_output=True,
        check=True,
        text=True,
        timeout=WAIT_S * 4,
    )
    return asked.stdout.strip()


def _expected_answers() -> list[str]:
    if os.getuid() != 0:
        return [oct(0), oct(0o055)]
    # The connection is closed before, or behind, the call that is written to it.
    return ["PermissionError", "closed"]


def _filled(row: LocalRow, workspace: Path, label: str) -> dict[str, Any]:
    return {
        name: value.format(directory=workspace, label=label) if isinstance(value, str) else value
        for name, value in row.arguments.items()
    }


@asynccontextmanager
async def _linked_agent(
    world: World,
    url: str,
    workspace: Path,
    environment: Mapping[str, str],
    received: asyncio.Queue[str],
) -> AsyncIterator[str]:
    """Run the owner's agent, linked; gives its token, and the names of calls to `received`."""
    token = (await rotate_agent_token(world.store, world.people.owner, world.agent_id))[1]
    linked = asyncio.Event()

    @asynccontextmanager
    async def dial(incarnation: int) -> AsyncIterator[LinkConnection]:
        async with websocket_dialer(url, token)(incarnation) as connection:
            linked.set()
            yield _NotedLink(connection, received)

    settings = AgentSettings(workspace, workspace.parent / "sources.json")
    async with AgentClient(url, token) as control_plane:
        agent = WorkspaceAgent(settings, control_plane, dial, environment=environment)
        task = asyncio.create_task(agent.run())
        try:
            await asyncio.wait_for(linked.wait(), WAIT_S)
            yield token
        finally:
            agent.stop()
            await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), WAIT_S)


class _NotedLink:
    def __init__(self, connection: LinkConnection, received: asyncio.Queue[str]) -> None:
        self._connection = connection
        self._received = received

    async def receive(self) -> bytes | None:
        message = await self._connection.receive()
        if message is not None:
            self._received.put_nowait(msgspec.msgpack.decode(message, type=LinkCall).method)
        return message

    async def send(self, message: bytes) -> None:
        await self._connection.send(message)


async def _headers(world: World, caller: Caller, *, own_agent: str) -> dict[str, str]:
    actor = world.actor_of(caller)
    if caller is Caller.NOBODY:
        return {}
    if caller is Caller.OWN_AGENT:
        return {"Authorization": f"Bearer {own_agent}"}
    return {"Authorization": f"Bearer {await _token(world, actor)}"}


async def _token(world: World, actor: Actor) -> Any:
    if actor.user_id is not None:
        return (await create_user_token(world.store, WORKER, actor.user_id, "test"))[1]
    assert actor.agent_id is not None
    return (await rotate_agent_token(world.store, world.people.administrator, actor.agent_id))[1]
