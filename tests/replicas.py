"""Server processes that a test starts, kills and starts again."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(__file__).parent / "replica_main.py"
START_S = 30.0
STOP_S = 10.0


class ReplicaDied(Exception):
    """The process ended before it answered; `code` is its exit code, negative for a signal."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        super().__init__(f"the replica ended with {code}")


@dataclass(slots=True)
class Replica:
    """A server that answers at `url`; `token` is its local administrator's."""

    process: Process
    url: str
    token: str

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self.process.pid

    async def kill(self) -> None:
        """End it as a crash would."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def wait_until_dead(self) -> int:
        """Return how it ended; a failpoint ends it with -SIGKILL."""
        async with asyncio.timeout(START_S):
            return await self.process.wait()

    async def stop(self, number: int = signal.SIGTERM) -> str:
        """Ask it to stop, and return the last thing that it said; it takes 10 s at the most."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        async with asyncio.timeout(STOP_S):
            said = await self.process.stdout.read()
            await self.process.wait()
        return said.decode().strip()


async def start_replica(
    database_url: str,
    *,
    token: str | None = None,
    port: int = 0,
    kill_at: Mapping[str, int] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Replica:
    """Return a server process that answers; raises ReplicaDied if it ended before it did."""
    asked = {
        "database_url": database_url,
        "token": token,
        "port": port,
        "kill_at": dict(kill_at or {}),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        json.dumps(asked),
        stdout=PIPE,
        env={**os.environ, **(variables or {})},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if not line:
        raise ReplicaDied(await process.wait())
    said = json.loads(line)
    return Replica(process, said["url"], said["token"])


@asynccontextmanager
async def replica(
    database_url: str,
    *,
    token: str | None = None,
    port: int = 0,
    kill_at: Mapping[str, int] | None = None,
) -> AsyncIterator[Replica]:
    """Give a server process; it is killed at the end if it still runs."""
    started = await start_replica(database_url, token=token, port=port, kill_at=kill_at)
    try:
        yield started
    finally:
        await started.kill()


__all__ = [
    "PROGRAM",
    "START_S",
    "STOP_S",
    "Replica",
    "ReplicaDied",
    "replica",
    "start_replica",
]
