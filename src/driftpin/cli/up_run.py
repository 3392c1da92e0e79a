"""The run of `driftpin up`, from the settings to the last line."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from driftpin import limits
from driftpin.cli import output
from driftpin.cli.agent_child import AgentChild, Credentials, HeadNews
from driftpin.cli.enrolment import ensure_enrolled
from driftpin.cli.exits import say
from driftpin.cli.remembered import KnownServer, Remembered
from driftpin.client import Client
from driftpin.errors import Conflict, Forbidden, Unauthenticated, Unreachable
from driftpin.settings import load_settings, state_directory

ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Task = asyncio.Task[None]


@dataclass(frozen=True, slots=True)
class ReadyLine:
    """What is printed once for programs: where the server is, and as whom to use it."""

    url: str
    token: str
    user_id: str
    workspace_id: str
    agent_id: str


@dataclass(frozen=True, slots=True)
class UpWish:
    """Which directory to bring up, and how to tell that it is."""

    directory: Path
    as_json: bool


def run_up(wish: UpWish, flags: Mapping[str, object], child: AgentChild) -> None:
    """Serve from here, or attach to whoever does; return when it was stopped."""
    remembered = Remembered(state_directory(load_settings(flags).settings))
    lock = remembered.try_to_serve()
    if lock is None:
        asyncio.run(_attach(wish, remembered, child))
        return
    try:
        asyncio.run(_serve(wish, remembered, child, flags))
    finally:
        os.close(lock)


async def _serve(
    wish: UpWish, remembered: Remembered, child: AgentChild, flags: Mapping[str, object]
) -> None:
    from driftpin.cli.serving import start_server

    settings = load_settings(flags).settings
    async with start_server(settings, remembered) as (known, serving), _stop_signal() as stopping:
        await _AgentRun(wish, known, remembered, child).run({serving, stopping})


async def _attach(wish: UpWish, remembered: Remembered, child: AgentChild) -> None:
    async with _stop_signal() as stopping:
        known = await _running_server(remembered)
        await _AgentRun(wish, known, remembered, child).run({stopping}, is_attached=True)


class _AgentRun:
    """One directory's agent on a server that answers, until one of the given tasks ends."""

    def __init__(
        self, wish: UpWish, server: KnownServer, remembered: Remembered, child: AgentChild
    ) -> None:
        self._wish = wish
        self._server = server
        self._remembered = remembered
        self._child = child
        self._heads: asyncio.Queue[HeadNews] = asyncio.Queue()

    async def run(self, endings: set[Task], *, is_attached: bool = False) -> None:
        async with Client(self._server.url, self._server.token) as client:
            known, token = await ensure_enrolled(client, self._remembered, self._wish.directory)
        credentials = Credentials(self._server.url, token)
        ready = ReadyLine(
            url=self._server.url,
            token=self._server.token,
            user_id=self._server.user_id,
            workspace_id=known.workspace_id,
            agent_id=known.agent_id,
        )
        supervising = asyncio.create_task(
            self._child.supervise(credentials, self._heads.put_nowait)
        )
        telling = asyncio.create_task(self._tell_heads(ready, is_attached=is_attached))
        try:
            ended = await _first_of({supervising, telling, *endings})
            if ended == {supervising} and not is_attached:
                await _serve_on(supervising, endings)
            for task in ended - {supervising}:
                task.result()
            if is_attached and supervising in ended:
                supervising.result()
        finally:
            for task in (telling, supervising):
                task.cancel()
            await asyncio.gather(telling, supervising, return_exceptions=True)

    async def _tell_heads(self, ready: ReadyLine, *, is_attached: bool) -> None:
        try:
            async with asyncio.timeout(limits.UP_READY_WAIT_S):
                head = await self._heads.get()
        except TimeoutError:
            raise Unreachable(
                "The agent has not pushed anything for a minute; --log-level debug tells more."
            ) from None
        if self._wish.as_json:
            output.write_json(asdict(ready))
        else:
            async with Client(ready.url, ready.token) as client:
                link = await client.create_login_link()
            self._write_ready(ready, head, link.path, is_attached=is_attached)
        while True:
            head = await self._heads.get()
            if head.result == "accepted" and not self._wish.as_json:
                say(f"The workspace is now {head.snapshot}; `driftpin status` shows what it means.")

    def _write_ready(
        self, ready: ReadyLine, head: HeadNews, link_path: str, *, is_attached: bool
    ) -> None:
        counts = f"{output.counted(head.resources, 'resource')}, {head.not_ok} not ok"
        whose = "Its agent joined the server that runs" if is_attached else "driftpin is up"
        output.write_text(
            f"{whose} at {ready.url}\n"
            f"  watched   {self._wish.directory}\n"
            f"  published {counts}\n"
            f"  snapshot  {head.snapshot}\n"
            f"  open      {ready.url}{link_path}\n"
            "            signs one browser in, once and soon; `driftpin login-link` makes another\n"
            "In this directory: `driftpin chat new TITLE`, `driftpin chat ask TEXT`,"
            " `driftpin status`,\n`driftpin diff`, `driftpin refresh`. Ctrl-C ends it."
        )


async def _serve_on(supervising: Task, endings: set[Task]) -> None:
    """Serve on for others, although this directory's agent has stopped for good."""
    try:
        supervising.result()
    except (Conflict, Forbidden) as stopped:
        say(f"error: {stopped.message} The server goes on; Ctrl-C ends it.")
    for task in await _first_of(endings):
        task.result()


@asynccontextmanager
async def _stop_signal() -> AsyncIterator[Task]:
    """Give a task that ends when this process is told to end."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    async def wait() -> None:
        await stopped.wait()

    for number in ENDING_SIGNALS:
        loop.add_signal_handler(number, stopped.set)
    stopping = asyncio.create_task(wait())
    try:
        yield stopping
    finally:
        stopping.cancel()
        for number in ENDING_SIGNALS:
            loop.remove_signal_handler(number)


async def _running_server(remembered: Remembered) -> KnownServer:
    """Return the server of this state directory once it answers; it may be just starting."""
    deadline_s = asyncio.get_running_loop().time() + limits.UP_ATTACH_WAIT_S
    while asyncio.get_running_loop().time() < deadline_s:
        known = remembered.find_server()
        if known is not None and await _is_answering(known):
            return known
        await asyncio.sleep(limits.UP_ATTACH_POLL_S)
    raise Unreachable(
        f"Another process serves from {str(remembered.directory)!r} but does not answer; stop it,"
        " or use another --state."
    )


async def _is_answering(known: KnownServer) -> bool:
    try:
        async with Client(known.url, known.token) as client:
            await client.get_me()
    except (Unreachable, Unauthenticated):
        return False
    return True


async def _first_of(tasks: set[Task]) -> set[Task]:
    """Return those that have ended once one has."""
    ended, _waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return ended


__all__ = ["ReadyLine", "UpWish", "run_up"]
