"""The workspace agent as a child process that cannot outlive its parent.

The parent holds the writing end of the child's standard input. It sends the server's address and
the agent's token through it, one line, and keeps it open: when the parent ends, however it ends,
the system closes the pipe and the child ends too. What the child has to tell comes back through its
standard output, one JSON object a line. The child is in a session of its own, so that a Ctrl-C
meant for the parent reaches it only as the closed pipe.

The interpreter is started before the address is known: it spends that time on its imports.
"""

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from driftpin import limits
from driftpin.cli.exits import ExitCode, say
from driftpin.errors import Conflict, Forbidden, Unreachable

_COMMAND: Final = ("-m", "driftpin", "agent", "--lifeline")
_NOT_FOR_THE_CHILD: Final = frozenset(
    {"DRIFTPIN_TOKEN", "DRIFTPIN_AGENT_TOKEN", "DRIFTPIN_DATABASE_URL", "DRIFTPIN_URL"}
)
# A killed parent's agent is gone within this many tries; one that stays is somebody else's.
_BUSY_TRIES_MAX: Final = 4
# With these the child has said that starting it again cannot help.
_FINAL_CODES: Final = frozenset({ExitCode.DENIED, ExitCode.USAGE})


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the agent pushes to, and as whom."""

    url: str
    token: str


@dataclass(frozen=True, slots=True)
class HeadNews:
    """The server holds this as the agent's head; the numbers are for people."""

    snapshot: str
    result: str
    resources: int
    not_ok: int


class AgentChild:
    """One directory's agent: started, told where to push, started again when it crashes."""

    def __init__(self, directory: Path, options: Mapping[str, str]) -> None:
        """Prepare an agent for `directory`; `options` are flags of `driftpin agent`."""
        self._directory = directory
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._busy = 0

    @property
    def process_id(self) -> int | None:
        """The child's process id while one runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the interpreter; it imports, then waits for `supervise` to send it on."""
        flags = [part for flag, value in self._options.items() for part in (flag, value)]
        kept = {name: each for name, each in os.environ.items() if name not in _NOT_FOR_THE_CHILD}
        self._process = subprocess.Popen(  # noqa: S603 our own interpreter and module
            # -P: the directory it is started in belongs to whoever wrote its files.
            [sys.executable, "-P", *_COMMAND, *flags, "--", str(self._directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=kept,
        )

    async def supervise(
        self, credentials: Credentials, on_head: Callable[[HeadNews], None]
    ) -> None:
        """Keep the agent running until cancelled, and tell `on_head` what the server holds.

        Raises Forbidden (`agent_stopped`) when the agent says that starting it again cannot help,
        Conflict (`agent_running`) when another one stays on the directory.
        """
        try:
            while True:
                code = await self._run_once(credentials, on_head)
                self._process = None
                self._busy = self._busy + 1 if code == ExitCode.BUSY else 0
                if self._busy >= _BUSY_TRIES_MAX:
                    raise Conflict(
                        f"An agent already runs on {str(self._directory)!r}; stop it first.",
                        code="agent_running",
                    )
                if code in _FINAL_CODES:
                    raise Forbidden(
                        f"The agent of {str(self._directory)!r} has stopped for good; its reason"
                        " stands above.",
                        code="agent_stopped",
                    )
                await self._wait_before_restart(code)
                self.start()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Close the child's pipe and wait for its end; kill it if it does not listen."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.to_thread(process.wait, limits.AGENT_STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
        self._process = None

    async def _run_once(self, credentials: Credentials, on_head: Callable[[HeadNews], None]) -> int:
        process = self._process
        assert process is not None, "start comes before supervise"
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(asdict(credentials)).encode() + b"\n")
            process.stdin.flush()
            async for news in _news_of(process):
                self._failures = 0
                on_head(news)
        code = await asyncio.to_thread(process.wait)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        return code

    async def _wait_before_restart(self, code: int) -> None:
        longest_s = min(
            limits.AGENT_RESTART_LONGEST_S, limits.AGENT_RESTART_FIRST_S * 2**self._failures
        )
        wait_s = random.uniform(longest_s / 2, longest_s)  # noqa: S311 jitter, not a secret
        self._failures += 1
        say(
            f"The agent of {str(self._directory)!r} ended ({_cause(code)}); it is started again in"
            f" {wait_s:.1f} s."
        )
        await asyncio.sleep(wait_s)


def _cause(code: int) -> str:
    if code == ExitCode.BUSY:
        return "another one is still there"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


async def _news_of(process: subprocess.Popen[bytes]) -> AsyncIterator[HeadNews]:
    """Give what the child tells, until it closes its output."""
    reader = asyncio.StreamReader()
    transport, _protocol = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), process.stdout
    )
    try:
        while line := await reader.readline():
            yield HeadNews(**json.loads(line))
    finally:
        transport.close()


def read_credentials() -> Credentials:
    """Return what the parent sent; in the child, before anything else is read from the input.

    Raises Unreachable when the parent ended before it sent anything.
    """
    line = sys.stdin.buffer.readline()
    if not line:
        raise Unreachable("The process that started this agent has ended.")
    return Credentials(**json.loads(line))


def tell_parent(news: HeadNews) -> None:
    """Send news to the parent; in the child. Raises Unreachable when nobody listens any more."""
    try:
        sys.stdout.write(json.dumps(asdict(news)) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise Unreachable("The process that started this agent has ended.") from None


__all__ = ["AgentChild", "Credentials", "HeadNews", "read_credentials", "tell_parent"]
