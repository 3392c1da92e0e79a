"""An MCP server as a child process that speaks over its standard streams.

Its lines have a maximum, so does the noise that it may write among them, and only the end of what
it says on its standard error is kept. It runs in a session of its own, without the agent's token.
When it is let go nothing that it started is left: first it is asked by the end of its input, then
its process group is told, then killed, and what had left the group is found by a mark.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import resource
import secrets
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from driftpin import limits
from driftpin.context.launch import Launch

# What every program may need, and nothing that signs anybody in.
INHERITED: Final = frozenset(
    {"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
    | {"SSL_CERT_DIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"}
)
INHERITED_PREFIXES: Final = ("LC_", "XDG_")
MARK: Final = "DRIFTPIN_MCP_RUN"
PR_SET_CHILD_SUBREAPER: Final = 36
CHUNK_BYTES: Final = 64 * 1024
EXIT_POLL_S: Final = 0.01
TOO_LARGE: Final = "protocol_error/too_large"
BAD_REPLY: Final = "protocol_error/bad_reply"


class StdioTransport:
    """One run of a server: an async context manager that gives the streams the SDK speaks over.

    `failure` says why the run ended by itself, empty while it has not: `exited`, `protocol_error`,
    or one of `TOO_LARGE` and `BAD_REPLY`. `stderr_tail` is the end of what it complained of.
    `on_end` is called when the run ended by itself. Entering raises OSError when the command cannot
    be run.
    """

    def __init__(self, launch: Launch, *, directory: Path, environment: Mapping[str, str]) -> None:
        """Run the expanded `launch` in `directory`, with what may be inherited of `environment`."""
        assert launch.command is not None, "a server over standard streams has a command"
        self._launch = launch
        self._command = launch.command
        self._directory = directory
        self._mark = secrets.token_hex(16)
        self._environment = {**inherited(environment), **dict(launch.env), MARK: self._mark}
        self._stderr: deque[bytes] = deque()
        self._tasks: list[asyncio.Task[None]] = []
        self._process: asyncio.subprocess.Process | None = None
        self._streams: tuple[Any, ...] = ()
        self._is_ending = False
        self._last_asked = -1
        self.failure = ""
        self.on_end: Callable[[], None] = _nothing

    @property
    def stderr_tail(self) -> str:
        """The last few KiB of the server's standard error."""
        kept = b"".join(self._stderr)[-limits.MCP_STDERR_KEPT_BYTES_MAX :]
        return kept.decode(errors="replace")

    @property
    def exit_code(self) -> int | None:
        """How the process ended; None while it runs."""
        return None if self._process is None else self._process.returncode

    async def __aenter__(self) -> Any:
        """Start the process and return (read stream, write stream)."""
        import anyio  # comes with the SDK, and takes a while

        directory = self._directory / (self._launch.cwd or "")
        become_subreaper()
        self._process = await asyncio.create_subprocess_exec(
            self._command,
            *self._launch.args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            cwd=directory,
            start_new_session=True,
            limit=limits.MCP_LINE_BYTES_MAX,
        )
        bound_memory(self._process.pid)
        to_session, from_server = anyio.create_memory_object_stream[Any](0)
        from_session, to_server = anyio.create_memory_object_stream[Any](0)
        self._streams = (to_session, from_server, from_session, to_server)
        loops = (
            self._read(self._process, to_session),
            self._write(self._process, to_server, to_session),
            self._listen_to_complaints(self._process),
        )
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        return from_server, from_session

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """End the process and everything that it started, and only then let go who cancels."""
        ending = asyncio.ensure_future(self._end())
        cancelled: asyncio.CancelledError | None = None
        while not ending.done():
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError as asked:
                # No child may be left; every wait inside is bounded.
                if ending.cancelled():
                    raise
                cancelled = asked
        ending.result()
        if cancelled is not None:
            raise cancelled

    async def _read(self, process: asyncio.subprocess.Process, to_session: Any) -> None:
        assert process.stdout is not None, "it was started with a pipe"
        noise = 0
        async with to_session:
            while True:
                try:
                    line = await process.stdout.readuntil(b"\n")
                except asyncio.IncompleteReadError:
                    self._fail("exited")
                    return
                except asyncio.LimitOverrunError:
                    self._fail(TOO_LARGE)
                    self._signal(signal.SIGKILL)
                    return
                message = _message_in(line)
                if _is_bad_reply(line) if message is None else self._answers_nothing(message):
                    self._fail(BAD_REPLY)
                    return
                if message is not None:
                    await to_session.send(message)
                    continue
                noise += bool(line.strip())
                if noise > limits.MCP_BAD_LINES_MAX:
                    self._fail("protocol_error")
                    return

    async def _write(
        self, process: asyncio.subprocess.Process, to_server: Any, to_session: Any
    ) -> None:
        assert process.stdin is not None, "it was started with a pipe"
        async with to_server:
            async for message in to_server:
                asked = getattr(message.message, "id", None)
                if isinstance(asked, int):
                    self._last_asked = max(asked, self._last_asked)
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                try:
                    process.stdin.write(text.encode() + b"\n")
                    await process.stdin.drain()
                except (ConnectionError, OSError):
                    # Nothing that is asked now will ever be answered.
                    self._fail("exited")
                    await to_session.aclose()
                    return

    def _answers_nothing(self, message: Any) -> bool:
        """Whether this is an answer to a question that was never asked; late ones are no fault."""
        import mcp_types

        reply = message.message
        if not isinstance(reply, mcp_types.JSONRPCResponse):
            return False
        return not (isinstance(reply.id, int) and 0 <= reply.id <= self._last_asked)

    async def _listen_to_complaints(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None, "it was started with a pipe"
        while chunk := await process.stderr.read(CHUNK_BYTES):
            self._stderr.append(chunk[-limits.MCP_STDERR_KEPT_BYTES_MAX :])
            while len(self._stderr) > 1 and (
                sum(map(len, self._stderr)) - len(self._stderr[0])
                >= limits.MCP_STDERR_KEPT_BYTES_MAX
            ):
                self._stderr.popleft()

    def _fail(self, reason: str) -> None:
        if self._is_ending:
            return
        self.failure = self.failure or reason
        self.on_end()

    async def _end(self) -> None:
        # Whatever the process does from here on, it was told to end.
        self._is_ending = True
        process = self._process
        if process is None:
            return
        for stream in self._streams:
            stream.close()
        if process.stdin is not None:
            process.stdin.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self._signal(number)
            if await self._has_ended(process):
                break
        # What the leader left behind in its group ends with it, and what left the group too.
        self._signal(signal.SIGKILL)
        await end_marked(self._mark)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _has_ended(self, process: asyncio.subprocess.Process) -> bool:
        try:
            async with asyncio.timeout(limits.MCP_EXIT_WAIT_S):
                # Waiting for the process would also wait for whoever holds its pipes.
                while process.returncode is None:  # noqa: ASYNC110 nothing else tells
                    await asyncio.sleep(EXIT_POLL_S)
        except TimeoutError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "there is something to signal"
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _nothing() -> None:
    """Tell nobody."""


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the agent's environment that a server may have."""
    return {
        name: value
        for name, value in environment.items()
        if name in INHERITED or name.startswith(INHERITED_PREFIXES)
    }


def become_subreaper() -> None:
    """Have orphans of this process's descendants become its own children, so that they are found.

    Linux only (prctl(2)); elsewhere only process groups are ended.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def bound_memory(pid: int) -> None:
    """Give a process, and whatever it starts, a maximum of memory for data.

    Address space that is only reserved does not count, so runtimes that reserve much still run.
    Linux only (prlimit(2)).
    """
    if sys.platform == "linux":
        most = limits.MCP_PROCESS_BYTES_MAX
        with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
            if hard == resource.RLIM_INFINITY or most < hard:
                resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))


async def end_marked(mark: str) -> None:
    """Kill every process of this user that carries the mark, and wait until all of them are gone.

    Each look may find what one of them started meanwhile. Gives up after a while: a process in the
    middle of a system call may outlast its end.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limits.MCP_EXIT_WAIT_S):
            while pids := await asyncio.to_thread(lambda: tuple(_marked(mark))):
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(pid, os.WNOHANG)  # noqa: ASYNC222 it does not wait
                await asyncio.sleep(EXIT_POLL_S)


def _marked(mark: str) -> Iterator[int]:
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in entry.read_bytes().split(b"\0"):
                yield int(entry.parent.name)


def _is_bad_reply(line: bytes) -> bool:
    """Whether a line that is no message was meant to be an answer."""
    try:
        reply = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(reply, dict) and "id" in reply and not {"result", "error"}.isdisjoint(reply)


def _message_in(line: bytes) -> Any:
    """Return the message that a line holds, None for anything else that a program may print."""
    import mcp_types
    from mcp.shared.message import SessionMessage

    try:
        return SessionMessage(mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        return None


__all__ = ["INHERITED", "MARK", "StdioTransport", "end_marked", "inherited"]
