"""A whole workspace agent as a process of its own, which a test can stop and kill at named places.

    agent_main.py '{"directory": …, "url": …, "token": …, "kill_at": {"agent.ack": 1}, …}'

It prints one line of JSON for every call that the server answered: what was asked, and what came
back. At the given count of a failpoint it kills itself with SIGKILL, as a crash would.
"""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from driftpin.agent.agent import AgentSettings, WorkspaceAgent
from driftpin.agent.dial import websocket_dialer
from driftpin.agent.resolve import ScanSettings
from driftpin.agent.schedule import Timing
from driftpin.cli.exits import run_guarded
from driftpin.client import AgentClient
from driftpin.failpoints import Failpoint
from driftpin.wire.agent import BlobsRequest, HelloReply, HelloRequest, PushReply, PushRequest


class TellingControlPlane:
    """A server as the agent sees it, whose answers are told to the parent."""

    def __init__(self, server: AgentClient) -> None:
        self._server = server

    async def hello(self, request: HelloRequest) -> HelloReply:
        reply = await self._server.hello(request)
        tell(hello=reply.incarnation)
        return reply

    async def push(self, request: PushRequest) -> PushReply:
        reply = await self._server.push(request)
        tell(
            push=reply.result,
            digest=reply.head.digest,
            errors=request.observations["errors"],
            degraded=request.observations["degraded"],
        )
        return reply

    async def upload_blobs(self, request: BlobsRequest) -> object:
        return await self._server.upload_blobs(request)


class AtFailpoints:
    """Kills this process at the n-th time that a failpoint is reached."""

    def __init__(self, kill_at: Mapping[str, int]) -> None:
        self._kill_at = {Failpoint(name): count for name, count in kill_at.items()}
        self._seen: Counter[Failpoint] = Counter()

    async def __call__(self, failpoint: Failpoint) -> None:
        self._seen[failpoint] += 1
        if self._kill_at.get(failpoint) == self._seen[failpoint]:
            os.kill(os.getpid(), signal.SIGKILL)


def tell(**news: object) -> None:
    print(json.dumps(news), flush=True)  # noqa: T201 for the parent


async def work(asked: Mapping[str, Any]) -> None:
    directory = Path(asked["directory"])
    settings = AgentSettings(
        directory=directory,
        sources_path=Path(asked.get("sources", directory.parent / "state" / "sources.json")),
        scan=ScanSettings(**asked.get("scan", {})),
        timing=Timing(**asked.get("timing", {})),
    )
    async with AgentClient(asked["url"], asked["token"]) as server:
        agent = WorkspaceAgent(
            settings,
            TellingControlPlane(server),
            websocket_dialer(asked["url"], asked["token"]),
            reach=AtFailpoints(asked.get("kill_at", {})),
        )
        await agent.run()


def main() -> None:
    asyncio.run(work(json.loads(sys.argv[1])))


if __name__ == "__main__":
    raise SystemExit(run_guarded(main))
