import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.world import WAIT_S
from driftpin import limits
from driftpin.agent.local_client import LocalRefusal, call_agent, find_socket
from driftpin.agent.local_protocol import SOCKET_PATH_BYTES_MAX, LocalCall, socket_paths
from driftpin.agent.local_socket import LocalSocket
from driftpin.context.manifest import Json
from driftpin.errors import Conflict, Forbidden, Rejected, Unreachable


async def echo(arguments: Mapping[str, Any]) -> Json:
    return dict(arguments)


async def refuse(_arguments: Mapping[str, Any]) -> Json:
    raise Rejected("no", code="not_a_directory")


async def break_down(_arguments: Mapping[str, Any]) -> Json:
    raise ZeroDivisionError


@asynccontextmanager
async def serving(workspace: Path, environment: Mapping[str, str]) -> AsyncIterator[Path]:
    handlers = {
        LocalCall.STATUS: echo,
        LocalCall.SOURCES_ADD: refuse,
        LocalCall.EXPLAIN: break_down,
    }
    async with LocalSocket(handlers).serving(socket_paths(workspace, environment)) as path:
        yield path


async def exchange(path: Path, request: bytes) -> bytes:
    async with asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(request)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answer


async def test_a_command_finds_the_agent_of_its_directory_and_gets_an_answer(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    async with serving(tmp_path, environment) as path:
        assert await asyncio.to_thread(find_socket, tmp_path, environment) == path
        answer = await asyncio.to_thread(call_agent, path, LocalCall.STATUS, {"a": 1})
        assert answer == {"a": 1}
    assert find_socket(tmp_path, environment) is None


async def test_a_linked_name_of_a_directory_leads_to_the_same_agent(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    async with serving(tmp_path / "real", environment) as path:
        assert await asyncio.to_thread(find_socket, tmp_path / "link", environment) == path


async def test_only_the_user_can_reach_the_socket(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    async with serving(tmp_path, environment) as path:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_refusal_and_a_fault_come_back_as_errors_and_the_socket_goes_on(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    async with serving(tmp_path, environment) as path:
        for call, code in (
            (LocalCall.SOURCES_ADD, "not_a_directory"),
            (LocalCall.EXPLAIN, "internal"),
            (LocalCall.READY, "unknown_method"),
        ):
            with pytest.raises(LocalRefusal) as refused:
                await asyncio.to_thread(call_agent, path, call)
            assert refused.value.code == code


@pytest.mark.parametrize(
    "line",
    [b"\n", b"{}\n", b'{"call":"approve"}\n', b'{"call":"status","x":1}\n', b"[" * 5000 + b"\n"],
    ids=["empty", "no_call", "unknown_call", "unknown_field", "deep"],
)
async def test_what_is_no_call_is_refused(
    tmp_path: Path, environment: dict[str, str], line: bytes
) -> None:
    async with serving(tmp_path, environment) as path:
        assert b'"invalid_request"' in await exchange(path, line)


async def test_a_call_that_is_too_large_is_refused(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    async with serving(tmp_path, environment) as path:
        answer = await exchange(path, b"x" * (limits.LOCAL_REQUEST_BYTES_MAX + 1))
    assert b'"too_large"' in answer


async def test_a_call_that_is_cut_gets_no_answer(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    async with serving(tmp_path, environment) as path:
        assert await exchange(path, b'{"call":"status"}') == b""


async def test_a_second_agent_of_a_directory_is_refused(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    async with serving(tmp_path, environment) as path:
        with pytest.raises(Conflict) as refused:
            async with serving(tmp_path, environment):
                pass
        assert refused.value.code == "agent_running"
        assert await asyncio.to_thread(call_agent, path, LocalCall.STATUS) == {}


async def test_the_socket_of_a_dead_agent_is_taken_over(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    path = socket_paths(tmp_path, environment)[0]
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(tmp_path, environment):
        assert await asyncio.to_thread(call_agent, path, LocalCall.STATUS) == {}


def test_the_socket_of_a_dead_agent_is_removed_by_a_command(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    path = socket_paths(tmp_path, environment)[0]
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert find_socket(tmp_path, environment) is None
    assert not path.exists()
    with pytest.raises(Unreachable):
        call_agent(path, LocalCall.STATUS)


async def test_a_directory_that_others_can_enter_is_passed_over(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    open_directory = Path(environment["XDG_RUNTIME_DIR"]) / "driftpin"
    open_directory.mkdir()
    open_directory.chmod(0o755)
    paths = socket_paths(tmp_path, environment)
    with pytest.raises(Forbidden):
        async with LocalSocket({}).serving(paths[:1]):
            pass


def test_a_path_too_long_for_a_socket_is_left_out(tmp_path: Path) -> None:
    paths = socket_paths(tmp_path, {"XDG_RUNTIME_DIR": "/" + "x" * SOCKET_PATH_BYTES_MAX})
    assert paths
    assert all(len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX for path in paths)
    assert not any("xxx" in str(path) for path in paths)
