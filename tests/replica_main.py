"""A whole server as a process of its own, which a test can kill at a named place.

    replica_main.py '{"database_url": …, "port": 0, "kill_at": {"push.head": 2}, …}'

It prints one line of JSON (`url`, `token`, `pid`) once it answers, and `stopped` after a stop that
was asked for. At the given count of a failpoint it kills itself with SIGKILL, as a crash would.
"""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from driftpin.cli.serving import EnvironmentModels
from driftpin.clock import Clock, SystemClock
from driftpin.failpoints import Failpoint
from driftpin.identity import RandomIds
from driftpin.runner.agent_tools import AgentTools
from driftpin.runner.worker import TurnWorker
from driftpin.server.agent_calls import AgentCalls
from driftpin.server.app import Server
from driftpin.server.bootstrap import ensure_first_user
from driftpin.server.serve import bind, configure_logs, serve, url_of
from driftpin.server.services import ServerOptions
from driftpin.store.database import Database
from driftpin.store.store import Store
from noted_faults import note_in_file, noting_faults


class KillAt:
    """Kills this process at the n-th time that a failpoint is reached."""

    def __init__(self, at: Mapping[str, int]) -> None:
        self._at = {Failpoint(name): count for name, count in at.items()}
        self._seen: Counter[Failpoint] = Counter()

    async def __call__(self, failpoint: Failpoint) -> None:
        self._seen[failpoint] += 1
        if self._at.get(failpoint) == self._seen[failpoint]:
            os.kill(os.getpid(), signal.SIGKILL)


def make_workers(store: Store, clock: Clock, calls: AgentCalls) -> TurnWorker:
    return TurnWorker(
        store,
        EnvironmentModels(),
        clock,
        name=f"replica-{os.getpid()}",
        agent_tools=AgentTools(store, calls),
    )


async def main(asked: Mapping[str, Any]) -> None:
    database = Database(
        asked["database_url"],
        clock=SystemClock(),
        ids=RandomIds(),
        reach=KillAt(asked.get("kill_at", {})),
    )
    server = Server(database, options=ServerOptions(), make_workers=make_workers)
    listener = bind("127.0.0.1", asked.get("port", 0))
    ready = asyncio.Event()
    serving = asyncio.create_task(serve(server, listener, on_ready=ready.set))
    answering = asyncio.create_task(ready.wait())
    await asyncio.wait({answering, serving}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
    identity = await ensure_first_user(server.services.store, asked.get("token"))
    said = {"url": url_of(listener), "token": identity.token, "pid": os.getpid()}
    print(json.dumps(said), flush=True)  # noqa: T201 for the parent
    await serving
    print("stopped", flush=True)  # noqa: T201 for the parent


if __name__ == "__main__":
    configure_logs("warning")
    with noting_faults(note_in_file()):
        asyncio.run(main(json.loads(sys.argv[1])))
