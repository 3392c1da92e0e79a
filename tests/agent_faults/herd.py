"""Many agents that all come back at the same moment, after the server was started again.

Each says hello and pushes a new state. A few are served at a time, the others wait their turn or
are asked to come back; all of them are done within a minute, and people are served in between.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from agent_faults.pushing_through import PushingAgent, pushing_agent
from driftpin.identity import UserId, user_actor
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.store.store import Store
from outcome import Outcome
from served import Site, open_site

CONVERGED_WITHIN_S: Final = 60.0
LOOK_INTERVAL_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Member:
    """One agent of the herd, with a workspace of its own."""

    agent_id: str
    token: str


def run(count: int, seed: int) -> Outcome:
    """Bring back `count` agents at once."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_run(Path(directory), count, seed, outcome))
    outcome.require("server_busy", "accepted", "people_served")
    return outcome


async def _run(directory: Path, count: int, seed: int, outcome: Outcome) -> None:
    url = f"sqlite:///{directory / 'driftpin.db'}"
    async with open_site(url) as site:
        port = urlsplit(site.url).port
        members = await _enrol(site, count)
    assert port is not None
    async with _herd(members, f"http://127.0.0.1:{port}", seed, outcome) as herd:
        # They have called in vain for a while by now, as after a long stop.
        returning = [asyncio.create_task(agent.deliver(b"state")) for agent in herd]
        async with open_site(url, port=port) as site:
            began_s = time.monotonic()
            async with asyncio.timeout(2 * CONVERGED_WITHIN_S):
                await _look_in_until_done(site, returning, outcome)
            took_s = time.monotonic() - began_s
            outcome.seen["refused"] = site.server.services.admission.refused
            outcome.seen["converged"] = await _count_converged(site, members, herd)
    outcome.seen["agents"] = count
    outcome.measured["converged_s"] = round(took_s, 1)
    if outcome.seen["converged"] != count or took_s > CONVERGED_WITHIN_S:
        outcome.broken.append(f"{outcome.seen['converged']} of {count} came back in {took_s:.0f} s")


async def _enrol(site: Site, count: int) -> list[Member]:
    store: Store = site.server.services.store
    owner = user_actor(UserId((await site.client.get_me()).user.id))
    members = []
    for number in range(count):
        workspace = await create_workspace(store, owner, f"workspace {number}")
        agent, token = await enrol_agent(store, owner, workspace.id, "agent")
        members.append(Member(agent.id, token))
    return members


@asynccontextmanager
async def _herd(
    members: list[Member], url: str, seed: int, outcome: Outcome
) -> AsyncIterator[list[PushingAgent]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                pushing_agent(
                    url,
                    member.token,
                    f"herd-{seed}-{number}",
                    outcome.seen,
                    wait_s=2 * CONVERGED_WITHIN_S,
                    share_of_waits=1.0,
                )
            )
            for number, member in enumerate(members)
        ]


async def _look_in_until_done(
    site: Site, returning: list[asyncio.Task[None]], outcome: Outcome
) -> None:
    """Be a person who uses the server meanwhile."""
    waiting = set(returning)
    while waiting:
        began_s = time.monotonic()
        await site.client.get_me()
        took_s = time.monotonic() - began_s
        slowest_s = outcome.measured.get("slowest_look_s", 0.0)
        outcome.measured["slowest_look_s"] = round(max(slowest_s, took_s), 3)
        outcome.seen["people_served"] += 1
        _, waiting = await asyncio.wait(waiting, timeout=LOOK_INTERVAL_S)


async def _count_converged(site: Site, members: list[Member], herd: list[PushingAgent]) -> int:
    found = 0
    for member, agent in zip(members, herd, strict=True):
        head = (await site.client.get_agent(member.agent_id)).head
        found += head is not None and head.digest == agent.offered[-1]
    return found


__all__ = ["run"]
