"""The servers of a soak, processes of the product, and what one of them uses at a moment."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from driftpin.client import Client
from driftpin.errors import DriftpinError

START_S: Final = 60.0
SETTINGS: Final = {
    "DRIFTPIN_COLLECTION_INTERVAL_S": "5",
    "DRIFTPIN_GARBAGE_GRACE_S": "20",
    "DRIFTPIN_HEADS_KEPT_DAYS": "0.0005",
    "DRIFTPIN_EVENTS_KEPT_DAYS": "0.001",
}


@dataclass(slots=True)
class ServerProcess:
    """One `driftpin serve` with a state directory and a port of its own."""

    directory: Path
    database_url: str
    port: int
    process: Process | None = None

    @property
    def url(self) -> str:
        """Return where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Return its process's id."""
        assert self.process is not None, "the server was started"
        return self.process.pid

    def token(self) -> str:
        """Return the token of its local user."""
        known = json.loads((self.directory / "server.json").read_text(encoding="utf-8"))
        return str(known["token"])

    async def start(self) -> None:
        """Start it, and return once it answers."""
        self.directory.mkdir(exist_ok=True)
        environment = {**os.environ, **SETTINGS, "DRIFTPIN_STATE_DIR": str(self.directory)}
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "driftpin", "serve", "--port", str(self.port)),
            *("--database", self.database_url),
            env=environment,
            stderr=DEVNULL,
        )
        async with asyncio.timeout(START_S):
            await self._until_answering()

    async def _until_answering(self) -> None:
        while True:
            with suppress(OSError, KeyError, DriftpinError):
                async with Client(self.url, self.token()) as client:
                    await client.get_me()
                    return
            await asyncio.sleep(0.1)

    async def end(self, number: int) -> None:
        """Send it a signal and wait for its end; nothing happens where it has ended."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.wait()


@dataclass(frozen=True, slots=True)
class Meters:
    """What the first server used at one moment."""

    at_s: float
    memory_bytes: int
    handles: int
    sockets: int
    threads: int
    wal_bytes: int


def look_at(server: ServerProcess, at_s: float) -> Meters:
    """Return what the process uses now."""
    process = Path(f"/proc/{server.pid}")
    status = dict(
        line.split(":", 1) for line in (process / "status").read_text(encoding="utf-8").splitlines()
    )
    handles = [_target_of(link) for link in (process / "fd").iterdir()]
    sockets = sum(target.startswith("socket:") for target in handles)
    wal = server.directory / "driftpin.db-wal"
    return Meters(
        at_s=at_s,
        memory_bytes=int(status["VmRSS"].split()[0]) * 1024,
        handles=len(handles) - sockets,
        sockets=sockets,
        threads=int(status["Threads"]),
        wal_bytes=wal.stat().st_size if wal.exists() else 0,
    )


def _target_of(link: Path) -> str:
    with suppress(OSError):
        return str(link.readlink())
    return ""


__all__ = ["Meters", "ServerProcess", "look_at"]
