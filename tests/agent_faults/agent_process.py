"""Agent processes that a test starts, stops, lets go on, and kills."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driftpin.agent.local_client import call_agent
from driftpin.agent.local_protocol import LocalCall, socket_paths
from served import Site

PROGRAM = Path(__file__).parent / "agent_main.py"
START_S = 30.0
WAIT_S = 40.0
News = dict[str, Any]


@dataclass(slots=True)
class AgentProcess:
    """An agent at work on a directory; `news` is everything that it told so far."""

    process: Process
    socket: Path
    log: Path
    news: list[News] = field(default_factory=list)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def next_news(self) -> News:
        """Return the next thing that it tells; raises EOFError when it has ended."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise EOFError
        news: News = json.loads(line)
        self.news.append(news)
        return news

    async def until(self, is_so: Callable[[News], bool], wait_s: float = WAIT_S) -> News:
        """Return the next news of which this is so."""
        async with asyncio.timeout(wait_s):
            while not is_so(news := await self.next_news()):
                continue
        return news

    async def until_pushed(self) -> News:
        """Return the first push that the server accepted, in whatever way."""
        return await self.until(lambda news: "push" in news)

    async def call(self, call: LocalCall, **arguments: object) -> Any:
        """Call it over its local socket."""
        return await asyncio.to_thread(call_agent, self.socket, call, arguments)

    async def ended(self, wait_s: float = WAIT_S) -> int:
        """Return its exit code, negative for a signal."""
        assert self.process.stdout is not None
        async with asyncio.timeout(wait_s):
            while line := await self.process.stdout.readline():
                self.news.append(json.loads(line))
            return await self.process.wait()

    def said(self) -> str:
        """Return what it wrote for people."""
        return self.log.read_text(encoding="utf-8")


@asynccontextmanager
async def agent_process(
    site: Site, directory: Path, *, url: str | None = None, **asked: object
) -> AsyncIterator[AgentProcess]:
    """Give an agent process of the site's agent; it is killed at the end if it still runs."""
    wish = {"directory": str(directory), "url": url or site.url, "token": site.agent_token, **asked}
    # The path of a test's own directory is too long for a socket.
    with tempfile.TemporaryDirectory(prefix="dp-") as runtime:
        environment, log = {"XDG_RUNTIME_DIR": runtime}, Path(runtime) / "log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(PROGRAM),
                json.dumps(wish),
                stdout=PIPE,
                stderr=errors,
                env={**os.environ, **environment},
            )
        try:
            yield AgentProcess(process, socket_paths(directory, environment)[0], log)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


__all__ = ["AgentProcess", "News", "agent_process"]
