"""A server process, an agent process, and a workspace full of secrets."""

import asyncio
import json
import signal
import socket
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from canaries.secrets import Canary, config_of, environment_of
from canaries.sinks import Sinks
from cli.machine import DRIFTPIN, Machine
from driftpin.agent.local_client import call_agent, find_socket
from driftpin.agent.local_protocol import LocalCall

START_S = 60.0
# Stands in an instruction file: it goes everywhere that context goes, and shows that we look there.
TRACER = "tracer-of-context-7f3a"
CONFIGS = (".mcp.json", ".cursor/mcp.json", ".vscode/mcp.json")


@dataclass(slots=True)
class Watched:
    """A process whose every word goes to a sink, and can be waited for."""

    process: Process
    name: str
    sinks: Sinks
    _said: asyncio.Condition = field(default_factory=asyncio.Condition)
    _lines: list[str] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def until(self, part: str, *, times: int = 1) -> None:
        """Return when it has said this so many times."""
        async with asyncio.timeout(START_S), self._said:
            await self._said.wait_for(lambda: sum(part in line for line in self._lines) >= times)

    def count(self, part: str) -> int:
        """Return how often it has said this."""
        return sum(part in line for line in self._lines)

    async def end(self, number: signal.Signals) -> int:
        """End it, and return how it ended."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(START_S):
            await asyncio.gather(*self._tasks)
            return await self.process.wait()

    async def _take(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self.sinks.add(self.name, line)
            async with self._said:
                self._lines.append(line.decode("utf-8", "replace"))
                self._said.notify_all()

    def begin(self) -> None:
        """Begin to listen to it."""
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            self._tasks.append(asyncio.create_task(self._take(stream)))


@asynccontextmanager
async def watched(
    sinks: Sinks, name: str, environment: Mapping[str, str], *arguments: str
) -> AsyncIterator[Watched]:
    """Give a driftpin process; it is killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *DRIFTPIN,
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    started = Watched(process, name, sinks)
    started.begin()
    try:
        yield started
    finally:
        await started.end(signal.SIGKILL)


@dataclass(slots=True)
class Stage:
    """One machine, and the words with which its processes are started."""

    machine: Machine
    canaries: tuple[Canary, ...]
    sinks: Sinks
    port: int

    @property
    def url(self) -> str:
        """Where the server answers, also after it was started again."""
        return f"http://127.0.0.1:{self.port}"

    def plant(self) -> None:
        """Write the workspace: an instruction file, a skill, and configs that hold every secret."""
        workspace = self.machine.make_workspace()
        self.write_rules("first")
        home = self.machine.root / "home" / ".config" / "driftpin"
        home.mkdir(parents=True)
        (self.machine.root / "run").mkdir(mode=0o700)
        text = json.dumps(config_of(self.canaries), ensure_ascii=False, indent=1)
        for path in (*(workspace / name for name in CONFIGS), home / "mcp.json"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def write_rules(self, text: str) -> None:
        """Edit the instruction file."""
        self.machine.rules.write_text(f"# {TRACER}\n\n{text}\n", encoding="utf-8")

    def server(self) -> AbstractAsyncContextManager[Watched]:
        """Start the server."""
        wish = ("serve", "--port", str(self.port), "--log-level", "debug")
        return watched(self.sinks, "server log", self.machine.environment, *wish)

    def agent(self, url: str, token: str) -> AbstractAsyncContextManager[Watched]:
        """Start the agent, with secrets in its environment; a crash writes where it stood."""
        environment = {
            **self.machine.environment,
            **environment_of(self.canaries),
            "DRIFTPIN_AGENT_TOKEN": token,
            "PYTHONFAULTHANDLER": "1",
        }
        place = str(self.machine.workspace)
        return watched(
            self.sinks,
            "agent log",
            environment,
            "agent",
            place,
            "--url",
            url,
            "--log-level",
            "debug",
        )

    async def command(self, *arguments: str) -> None:
        """Run a command, whatever comes of it; what it says is a sink."""
        ended = await asyncio.to_thread(self.machine.run, *arguments)
        self.sinks.add("commands", ended.out + ended.err)

    async def resync(self) -> None:
        """Return when the server has accepted what the workspace is now."""
        answer = await asyncio.to_thread(call_agent, self._socket(), LocalCall.RESYNC)
        self.sinks.add("local socket", json.dumps(answer))

    def _socket(self) -> Path:
        path = find_socket(self.machine.workspace, self.machine.environment)
        assert path is not None, "an agent runs"
        return path

    async def ask_socket(self) -> None:
        """Ask the local socket everything that it answers without changing anything."""
        path, workspace = self._socket(), self.machine.workspace
        questions: list[tuple[LocalCall, dict[str, object]]] = [
            (LocalCall.STATUS, {}),
            (LocalCall.SCAN, {"fresh": True}),
            (LocalCall.SOURCES_LIST, {}),
        ]
        for name in CONFIGS:
            questions.append((LocalCall.EXPLAIN, {"path": str(workspace / name)}))  # noqa: PERF401 its type
        for call, arguments in questions:
            answer = await asyncio.to_thread(call_agent, path, call, arguments)
            self.sinks.add("local socket", json.dumps(answer))


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


__all__ = ["CONFIGS", "TRACER", "Stage", "Watched", "free_port", "watched"]
