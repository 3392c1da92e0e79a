"""The MCP servers of an agent: what runs, and how the agent learns what may.

Approvals are asked for at the first hello, whenever the server says that they changed, and every
rescan besides; whoever cannot ask starts nothing new and ends nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from driftpin.agent.mcp_configs import Catalogues, FoundServer
from driftpin.agent.mcp_engine import Approval, McpEngine
from driftpin.agent.mcp_memory import CatalogueFile, read_key
from driftpin.agent.mcp_session import Surroundings
from driftpin.agent.waiting import Waiter, wait_on_clock
from driftpin.clock import Clock
from driftpin.context.resource import ServerObservation
from driftpin.errors import DriftpinError
from driftpin.identity import Digest
from driftpin.wire.approvals import AllowedServerShape

_log = logging.getLogger(__name__)

ListAllowed = Callable[[], Awaitable[Sequence[AllowedServerShape]]]


class Approver(Protocol):
    """Whoever knows which servers may run."""

    async def list_allowed_servers(self) -> Sequence[AllowedServerShape]:
        """Return them; raises a DriftpinError."""


@dataclass(frozen=True, slots=True)
class McpPlaces:
    """Where an agent keeps what it remembers of MCP servers."""

    catalogues: Path
    key: Path


class McpServers:
    """Keeps an engine told of what is listed and of what may run."""

    def __init__(
        self,
        approver: Approver,
        places: McpPlaces,
        *,
        directory: Path,
        environment: Mapping[str, str],
        clock: Clock,
        on_change: Callable[[], None],
        ask_every_s: float,
        waiter: Waiter = wait_on_clock,
    ) -> None:
        """Run servers in `directory`; `on_change` is called when a pass would say something new."""
        self._approver = approver
        self._ask_every_s = ask_every_s
        self._waiter = waiter
        self._ask = asyncio.Event()
        self._asked = asyncio.Event()
        self.engine = McpEngine(
            Surroundings(directory, environment),
            CatalogueFile(places.catalogues),
            read_key(places.key),
            clock=clock,
            on_change=on_change,
        )

    def catalogues(self) -> Catalogues:
        """Return what is known at this moment."""
        return self.engine.catalogues()

    def observations(self) -> tuple[ServerObservation, ...]:
        """Return how each listed server stands."""
        return self.engine.observations()

    def list_servers(self, listed: tuple[FoundServer, ...]) -> None:
        """The workspace lists exactly these servers now."""
        self.engine.list_servers(listed)

    def ask_again(self) -> None:
        """What may run may be another now."""
        self._ask.set()

    async def learn(self) -> None:
        """Return once what may run has been asked for after this call began."""
        self._asked.clear()
        self._ask.set()
        await self._asked.wait()

    async def run(self, introduced: asyncio.Event) -> None:
        """Run what may run until cancelled; nothing is asked before the agent is introduced."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.engine.run())
            await introduced.wait()
            while True:
                self._ask.clear()
                await self._learn()
                self._asked.set()
                await self._waiter(self._ask, self._ask_every_s)

    async def _learn(self) -> None:
        try:
            allowed = await self._approver.list_allowed_servers()
        except (DriftpinError, OSError) as failure:
            _log.info("what MCP servers may run cannot be asked now: %s", failure)
            return
        self.engine.approve({Digest(each.identity): _approval(each) for each in allowed})


def _approval(allowed: AllowedServerShape) -> Approval:
    return Approval(Digest(allowed.identity), allowed.keyed_digest, allowed.allows_private)


__all__ = ["Approver", "McpPlaces", "McpServers"]
