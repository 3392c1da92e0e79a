"""A whole server whose model says when it was asked and when it spoke; run as a process.

    python -m bench.turn_server DATABASE_URL [TOKEN]

It prints one line of JSON (`url`, `token`) and serves until its input ends. The model's clock is
the machine's monotonic one, which every process of the machine reads alike.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from driftpin.chat.messages import Role, ToolCallPart
from driftpin.clock import Clock, SystemClock
from driftpin.identity import RandomIds
from driftpin.models.port import (
    Finished,
    FinishReason,
    Model,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCallRequested,
)
from driftpin.models.scripted import ScriptedCall, ScriptedModel, Step
from driftpin.runner.worker import TurnWorker
from driftpin.server.agent_calls import AgentCalls
from driftpin.server.app import Server
from driftpin.server.bootstrap import ensure_first_user
from driftpin.server.serve import bind, configure_logs, serve, url_of
from driftpin.server.services import ServerOptions
from driftpin.store.database import Database
from driftpin.store.store import Store

READS = (ScriptedCall("read_skill", '{"name": "tidy"}'),) * 2
STEPS = (Step("I look.", calls=READS), Step("It is tidy."))
TURNS_MAX = 200


@dataclass(slots=True)
class TimedModel:
    """Reads a skill, then says in nanoseconds when it was asked and when it ended, and when now."""

    name: str = "timed"
    context_budget_tokens: int = 100_000
    asked_ns: list[int] = field(default_factory=list)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Call once, and then tell all times of the turn."""
        self.asked_ns.append(time.monotonic_ns())
        if request.messages[-1].role is Role.USER:
            call_id = f"call-{len(request.messages)}"
            yield ToolCallRequested(ToolCallPart(call_id, "read_skill", '{"name": "tidy"}'))
            self.asked_ns.append(time.monotonic_ns())
            yield Finished(FinishReason.TOOL_CALLS)
            return
        now_ns = time.monotonic_ns()
        yield TextDelta(json.dumps([*self.asked_ns, now_ns]))
        self.asked_ns.clear()
        yield Finished(FinishReason.STOP)

    async def close(self) -> None:
        """Do nothing."""


class Models:
    """The scripted model for load, and the timed one for a chat by itself."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {
            "scripted": ScriptedModel(STEPS * TURNS_MAX),
            "timed": TimedModel(),
        }

    def get(self, name: str) -> Model:
        """Return one of the two."""
        return self._models[name]


def make_workers(store: Store, clock: Clock, calls: AgentCalls) -> TurnWorker:
    """Return the worker of this process; no agent is asked for anything."""
    del calls
    return TurnWorker(store, Models(), clock, name=f"bench-{os.getpid()}")


async def main(database_url: str, token: str | None) -> None:
    """Serve until the input ends."""
    database = Database(database_url, clock=SystemClock(), ids=RandomIds())
    server = Server(database, options=ServerOptions(), make_workers=make_workers)
    listener = bind("127.0.0.1", 0)
    ready = asyncio.Event()
    serving = asyncio.create_task(serve(server, listener, on_ready=ready.set))
    await ready.wait()
    identity = await ensure_first_user(server.services.store, token)
    print(json.dumps({"url": url_of(listener), "token": identity.token}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


if __name__ == "__main__":
    configure_logs("warning")
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
