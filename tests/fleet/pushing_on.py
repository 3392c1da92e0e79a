"""An agent that pushes for as long as anybody takes it, and remembers what was acknowledged."""

import asyncio

from door import push_body
from driftpin.client import AgentClient
from driftpin.errors import DriftpinError
from driftpin.wire.agent import PushRequest


async def push_on(agent: AgentClient, incarnation: int, acknowledged: list[int]) -> None:
    """Push until the server takes nothing more."""
    for seq in range(1, 10_000):
        body = push_body(seq=seq, incarnation=incarnation, AGENTS=f"{seq}")
        try:
            await agent.push(PushRequest.model_validate(body, strict=False))
        except DriftpinError:
            return
        acknowledged.append(seq)


async def has_grown(acknowledged: list[int]) -> bool:
    await asyncio.wait({asyncio.ensure_future(_turn_of_the_loop())})
    return len(acknowledged) >= 5


async def _turn_of_the_loop() -> None:
    """Let everything else go on."""
