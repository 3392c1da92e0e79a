"""What routes and streams work with: one value per server, hung on the application's state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import HTTPConnection

from driftpin import limits
from driftpin.clock import Clock
from driftpin.identity import ChatId
from driftpin.operations.collect_garbage import DEFAULT_RETENTION, Retention
from driftpin.passwords import Passwords
from driftpin.runner.agent_tools import ToolRules
from driftpin.server.admission import Admission
from driftpin.server.agent_calls import AgentCalls
from driftpin.server.cursors import Cursors
from driftpin.server.drift_keeper import DriftKeeper
from driftpin.server.gate import Gate
from driftpin.server.hosts import EVERY_HOST, HostRule
from driftpin.server.link_keeper import LinkKeeper
from driftpin.server.links import Links
from driftpin.server.listeners import Listeners
from driftpin.server.mcp_door import McpDoor
from driftpin.server.metrics import Metrics
from driftpin.server.pulse import Pulse
from driftpin.server.stock_counter import StockCounter
from driftpin.server.tailer import Tailer
from driftpin.store.store import Store
from driftpin.web.site import Site


class TurnWorkers(Protocol):
    """Whoever carries out turns in this process; composed in from outside."""

    async def start(self) -> None:
        """Begin to claim turns that wait."""

    def wake(self) -> None:
        """Look for waiting turns now; must not block."""

    def interrupt(self, chat_id: ChatId) -> None:
        """Stop the chat's turn at once if it runs here."""

    async def notice_interrupt(self, chat_id: ChatId) -> None:
        """Stop the chat's turn at once if it runs here and was asked to stop."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many turns this process let go of, by how."""

    async def stop(self) -> None:
        """Stop claiming, and leave what runs to the next worker."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Choices of whoever runs the server."""

    # Whoever can edit a file in a workspace could accept the edit, so this stays off by default.
    agents_may_refresh: bool = False
    hosts: HostRule = EVERY_HOST
    # For calls of pinned tools that come from elsewhere than a turn.
    tools: ToolRules = field(default_factory=ToolRules)
    # How long a server that is told to stop goes on serving, not ready any more.
    drain_s: float = 0.0
    retention: Retention = DEFAULT_RETENTION
    collection_interval_s: float = limits.COLLECTION_INTERVAL_S


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a request may need."""

    store: Store
    clock: Clock
    cursors: Cursors
    tailer: Tailer
    pulse: Pulse
    metrics: Metrics
    stock_counter: StockCounter
    links: Links
    listeners: Listeners
    gate: Gate
    link_keeper: LinkKeeper
    calls: AgentCalls
    drift_keeper: DriftKeeper
    mcp: McpDoor
    options: ServerOptions
    workers: TurnWorkers | None = None
    passwords: Passwords = field(default_factory=Passwords)
    site: Site = field(default_factory=Site)
    admission: Admission = field(default_factory=Admission)


def services_of(connection: HTTPConnection) -> Services:
    """Return the services of the application that a request or socket belongs to."""
    services = connection.app.state.services
    assert isinstance(services, Services)
    return services


__all__ = ["ServerOptions", "Services", "TurnWorkers", "services_of"]
