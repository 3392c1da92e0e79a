"""`driftpin mcp` as a process: what it writes where, how it begins, and how it ends."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.visiting import WAIT_S, stdio_environment
from served import Site, open_server, open_site

HELLO = {
    "jsonrpc": "2.0",
    "id": "hello",
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "a", "version": "1"},
    },
}


@asynccontextmanager
async def started(site: Site, place: Path, *arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "driftpin", "mcp", *arguments),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=stdio_environment(site, place),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ask(process: Process, message: dict[str, Any] | bytes) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    line = message if isinstance(message, bytes) else json.dumps(message).encode()
    process.stdin.write(line + b"\n")
    async with asyncio.timeout(WAIT_S):
        await process.stdin.drain()
        answer: dict[str, Any] = json.loads(await process.stdout.readline())
    return answer


async def end_of(process: Process) -> tuple[int | None, str, str]:
    """Close its input; return how it ended, and what else it wrote."""
    assert process.stdin is not None
    process.stdin.close()
    async with asyncio.timeout(WAIT_S):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_it_ends_with_its_input_and_writes_nothing_but_the_protocol(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with open_site(sqlite_url) as site:
        chat = await site.chat()
        async with started(site, tmp_path, chat.id) as process:
            hello = await ask(process, HELLO)
            assert hello["result"]["serverInfo"]["name"] == "driftpin"
            broken = await ask(process, b"no json")
            assert (broken["id"], broken["error"]["code"]) == (None, -32700)
            for odd in ('{"id":5,"method":7,"params":[]}', '{"id":5,"method":"x","params":"y"}'):
                refused = await ask(process, odd.encode())
                assert (refused["id"], refused["error"]["code"]) == (5, -32602)
            listed = await ask(process, {"jsonrpc": "2.0", "id": 2, "method": "resources/list"})
            assert (listed["id"], listed["result"]["resources"]) == (2, [])
            code, out, err = await end_of(process)
        assert (code, out) == (0, "")
        assert "serving the pin of" in err


async def test_what_is_asked_before_the_input_ends_is_answered(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with open_site(sqlite_url) as site:
        chat = await site.chat()
        async with started(site, tmp_path, chat.id) as process:
            assert process.stdin is not None
            process.stdin.write(json.dumps(HELLO).encode() + b"\n")
            code, out, _ = await end_of(process)
        assert (code, json.loads(out)["id"]) == (0, "hello")


async def test_a_chat_that_may_not_be_read_is_told_on_standard_error(
    sqlite_url: str, tmp_path: Path
) -> None:
    missing = "01a20e27-361a-7b37-ab97-313eafa7bc7e"
    async with open_site(sqlite_url) as site:
        async with started(site, tmp_path, missing) as process:
            code, out, err = await end_of(process)
        assert (code, out) == (2, "")
        assert "error: There is no such thing, or it is not shared with you." in err
        site.token = "dp_u_" + "x" * 43
        async with started(site, tmp_path, missing) as process:
            code, out, err = await end_of(process)
        assert (code, out) == (4, "")
        assert "driftpin login" in err


async def test_a_server_that_is_away_is_an_answer_and_one_that_is_back_is_used(
    sqlite_url: str, tmp_path: Path
) -> None:
    request = {"jsonrpc": "2.0", "method": "prompts/list"}
    async with open_site(sqlite_url) as site:
        chat, port = await site.chat(), int(site.url.rpartition(":")[2])
        async with started(site, tmp_path, chat.id) as process:
            await ask(process, HELLO)
            site.serving.cancel()
            await asyncio.wait({site.serving}, timeout=WAIT_S)
            away = await ask(process, {**request, "id": 1})
            assert (away["id"], away["error"]["data"]["code"]) == (1, "unreachable")
            async with open_server(sqlite_url, port=port):
                back = await ask(process, {**request, "id": 2})
                assert back["result"]["prompts"] == []
            assert (await end_of(process))[0] == 0
