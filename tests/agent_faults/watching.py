"""What a watcher misses, and what happens to the places that it watches.

One agent process, with a short rescan interval, on a directory that is overflowed with events while
the agent is stopped, and whose root and whose container of skills are moved away, made again, and
swapped for links and for files. While a root is gone its head stays and the agent tells why; when
everything is back the head is the truth again, within one rescan, and nothing outside was read.
"""

import asyncio
import ctypes
import os
import random
import shutil
import signal
import sqlite3
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent_faults.agent_process import AgentProcess, News, agent_process
from agent_faults.pushing_through import open_fresh_site
from agent_faults.resolves import SECRET, make_tree
from driftpin.agent.local_protocol import LocalCall
from driftpin.agent.sources import SourceFile
from driftpin.agent.workspace import Workspace
from driftpin.clock import SystemClock
from outcome import Outcome

RESCAN_S: Final = 1.0
WRITES: Final = 9_000
# A longer wait than this is a broken promise, whatever else the machine does.
CONVERGED_WITHIN_S: Final = 35.0
IN_ALL_EVENTS: Final = 0xFFF
IN_Q_OVERFLOW: Final = 0x4000
EVENT: Final = struct.Struct("iIII")
Put = Callable[[Path], None]


@contextmanager
def full_queue_of(directory: Path) -> Iterator[Callable[[], bool]]:
    """Watch beside the agent without reading; tell whether the kernel's queue has overflowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    watcher = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert watcher >= 0
    try:
        assert libc.inotify_add_watch(watcher, os.fsencode(directory), IN_ALL_EVENTS) >= 0
        yield lambda: _has_overflowed(watcher)
    finally:
        os.close(watcher)


def _has_overflowed(watcher: int) -> bool:
    try:
        while events := os.read(watcher, 1 << 20):
            position = 0
            while position < len(events):
                _, mask, _, name_bytes = EVENT.unpack_from(events, position)
                if mask & IN_Q_OVERFLOW:
                    return True
                position += EVENT.size + name_bytes
    except BlockingIOError:
        pass
    return False


@dataclass(slots=True)
class WatchedRun:
    """One agent process and what is done to the places that it watches."""

    root: Path
    outside: Path
    agent: AgentProcess
    outcome: Outcome
    draw: random.Random

    async def cycle(self) -> None:
        """Overflow the queue, then swap the root and a container for everything else."""
        await self._overflow()
        for put in (self._nothing, self._link, self._file):
            await self._away(self.root, put)
        await self._made_again(self.root)
        for put in (self._nothing, self._link, self._file):
            await self._swapped(self.root / "skills", put)
        await self._made_again(self.root / "skills")
        self.outcome.seen["cycles"] += 1

    async def _overflow(self) -> None:
        with full_queue_of(self.root) as has_overflowed:
            self.agent.signal(signal.SIGSTOP)
            await asyncio.to_thread(self._write_a_lot)
            self._edit()
            self.agent.signal(signal.SIGCONT)
            await self._converge("overflow")
            self.outcome.seen["overflowed"] += has_overflowed()

    def _write_a_lot(self) -> None:
        for number in range(WRITES):
            path = self.root / f"noise-{number}"
            path.touch()
            path.unlink()

    async def _away(self, place: Path, put: Put) -> None:
        """Swap the root for something else: nothing is lost while it is gone, and it is told."""
        before = self._truth()
        self._swap(place, put)
        head, errors = await self._resync()
        if head != before:
            self.outcome.broken.append(f"a root that was {put.__name__} emptied the head")
        if not any(error.startswith("root_") for error in errors):
            self.outcome.broken.append(f"a root that was {put.__name__} was not told: {errors}")
        self._swap_back(place)
        await self._converge(f"root{put.__name__}")

    async def _swapped(self, place: Path, put: Put) -> None:
        self._swap(place, put)
        self._edit()
        await self._converge(f"container{put.__name__}")
        self._swap_back(place)
        await self._converge("container_back")

    async def _made_again(self, place: Path) -> None:
        self._swap(place, self._directory)
        self._edit()
        await self._converge("made_again")
        self._swap_back(place)
        await self._converge("made_again_back")

    def _swap(self, place: Path, put: Put) -> None:
        place.rename(place.with_name("aside"))
        put(place)

    def _swap_back(self, place: Path) -> None:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        place.with_name("aside").rename(place)
        self._edit()

    def _nothing(self, _place: Path) -> None:
        return

    def _link(self, place: Path) -> None:
        place.symlink_to(self.outside / place.relative_to(self.root))

    def _file(self, place: Path) -> None:
        place.touch()

    def _directory(self, place: Path) -> None:
        (place / "tidy").mkdir(parents=True)
        (place / "tidy" / "SKILL.md").write_text(self._text(), encoding="utf-8")

    def _edit(self) -> None:
        (self.root / "AGENTS.md").write_text(self._text(), encoding="utf-8")

    def _text(self) -> str:
        return f"---\nname: tidy\ndescription: Tidies\n---\n{self.draw.random()}\n"

    def _truth(self) -> str:
        """Return the digest of what a fresh look finds."""
        sources = SourceFile(self.root.parent / "no-sources")
        workspace = Workspace(self.root, sources, home=None, clock=SystemClock())
        return workspace.resolve().snapshot.digest

    async def _converge(self, what: str) -> None:
        truth = self._truth()
        began_s = time.monotonic()
        try:
            await self.agent.until(lambda news: news.get("digest") == truth, CONVERGED_WITHIN_S)
        except TimeoutError:
            self.outcome.broken.append(f"after {what} the head is not what is there")
        took_s = time.monotonic() - began_s
        longest_s = self.outcome.measured.get("converged_longest_s", 0.0)
        self.outcome.measured["converged_longest_s"] = round(max(longest_s, took_s), 3)
        self.outcome.seen[what] += 1

    async def _resync(self) -> tuple[str, list[str]]:
        """Return the head, and what is wrong, after a barrier."""
        answer = await self.agent.call(LocalCall.RESYNC)
        head = str(answer["head"]["digest"])
        pushed: News = await self.agent.until(
            lambda news: news.get("digest") == head and bool(news["errors"]), CONVERGED_WITHIN_S
        )
        return head, pushed["errors"]


def run(count: int, seed: int) -> Outcome:
    """Go through `count` cycles with one agent process."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="dp-") as directory:
        asyncio.run(_run(Path(directory), count, seed, outcome))
    outcome.require("overflowed", "root_nothing", "root_link", "root_file", "made_again")
    outcome.require("container_nothing", "container_link", "container_file")
    return outcome


async def _run(directory: Path, count: int, seed: int, outcome: Outcome) -> None:
    root, outside = directory / "workspace", directory / "outside"
    make_tree(root, "inside")
    make_tree(outside, SECRET)
    async with open_fresh_site(directory) as site:
        timing = {"rescan_interval_s": RESCAN_S}
        async with agent_process(site, root, timing=timing) as agent:
            await agent.until_pushed()
            watched = WatchedRun(root, outside, agent, outcome, random.Random(seed))
            for _ in range(count):
                await watched.cycle()
    if _holds_outside(directory):
        outcome.broken.append("something outside the root reached the server")


def _holds_outside(directory: Path) -> bool:
    with closing(sqlite3.connect(directory / "driftpin.db")) as database:
        bodies = [content for (content,) in database.execute("SELECT content FROM blobs")]
        (observations,) = database.execute("SELECT observations FROM agents").fetchone()
    return any(SECRET.encode() in body for body in bodies) or SECRET in observations


__all__ = ["run"]
