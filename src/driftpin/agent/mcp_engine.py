"""All MCP servers of one workspace: which are wanted, which may run, and what is known of them.

Nothing runs unless its identity was approved for this workspace, with the very literal values that
were there then (spec/trust.md §1). One process per server serves discovery and calls. The engine
never touches a file of the workspace: a pass tells what is listed, and the engine tells the next
pass which catalogues it knows.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from driftpin import limits
from driftpin.agent.mcp_configs import Catalogues, FoundServer, KnownCatalogue
from driftpin.agent.mcp_keeper import ServerKeeper, ServerState, ServerStatus
from driftpin.agent.mcp_memory import CatalogueFile
from driftpin.agent.mcp_session import Surroundings
from driftpin.agent.mcp_settling import Settling
from driftpin.agent.waiting import Waiter, wait_on_clock
from driftpin.clock import Clock
from driftpin.context.resource import Catalogue, ServerObservation
from driftpin.context.tool_catalogue import DroppedTool
from driftpin.errors import Unavailable
from driftpin.identity import Digest

# The reason of a server whose tools go back and forth, while what it offers does not count.
FLAPPING: Final = "flapping"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's word that a server may run: for one identity, and the literal values it had."""

    identity: Digest
    keyed_digest: str | None = None
    allows_private: bool = False


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What one keeper is for; another of these is another process."""

    found: FoundServer
    allows_private: bool


@dataclass(slots=True)
class _Kept:
    keeper: ServerKeeper
    task: asyncio.Task[None]


class McpEngine:
    """Runs what is listed and approved, for as long as `run` does.

    `on_change` is called when a catalogue or a state is another than before: the next pass says so.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        memory: CatalogueFile,
        key: bytes,
        *,
        clock: Clock,
        on_change: Callable[[], None],
        waiter: Waiter = wait_on_clock,
    ) -> None:
        """Begin with what is remembered; `key` is the workspace's own."""
        self._surroundings = surroundings
        self._memory = memory
        self._key = key
        self._clock = clock
        self._waiter = waiter
        self._on_change = on_change
        self._approvals: Mapping[Digest, Approval] = {}
        self._listed: tuple[FoundServer, ...] = ()
        self._kept: dict[_Wanted, _Kept] = {}
        self._starting = asyncio.Semaphore(limits.MCP_STARTS_AT_ONCE_MAX)
        self._settle = asyncio.Event()
        self._settling = Settling()
        self._waits_for_calm = False
        self._known: dict[tuple[str, Digest], KnownCatalogue] = memory.read()
        self._shown: Catalogues = dict(self._known)

    def catalogues(self) -> Catalogues:
        """Return what is known at this moment; a value that never changes, for any thread."""
        return self._shown

    def list_servers(self, listed: tuple[FoundServer, ...]) -> None:
        """The workspace lists exactly these servers now."""
        if listed != self._listed:
            self._listed = listed[: limits.MCP_SERVERS_MAX]
            self._settle.set()

    def approve(self, approvals: Mapping[Digest, Approval]) -> None:
        """Exactly these identities may run now; what no longer may is ended."""
        if approvals != self._approvals:
            self._approvals = dict(approvals)
            self._settle.set()
            self._on_change()

    def observations(self) -> tuple[ServerObservation, ...]:
        """Return how each listed server stands."""
        return tuple(self._observed(found) for found in self._listed)

    async def run(self) -> None:
        """Keep what is wanted running until cancelled; then nothing of it is left."""
        try:
            while True:
                await self._wait_until_due()
                self._settle.clear()
                await self._keep_wanted()
        finally:
            await self._end(tuple(self._kept))

    def keeper_of(self, source: str) -> ServerKeeper:
        """Return the keeper of a listed server; raises Unavailable (`mcp_server_not_ready`)."""
        for wanted, kept in self._kept.items():
            if wanted.found.source == source:
                return kept.keeper
        raise Unavailable("This MCP server does not run.", code="mcp_server_not_ready")

    async def _keep_wanted(self) -> None:
        wanted = {
            _Wanted(found, approval.allows_private)
            for found in self._listed
            if (approval := self._approval_of(found)) is not None
        }
        ended, begun = self._kept.keys() - wanted, wanted - self._kept.keys()
        await self._end(tuple(ended))
        for new in begun:
            keeper = ServerKeeper(
                new.found,
                self._surroundings,
                allows_private=new.allows_private,
                starting=self._starting,
                on_change=self._note_change,
                clock=self._clock,
            )
            task = asyncio.create_task(keeper.run(), name=f"mcp-{new.found.source}")
            self._kept[new] = _Kept(keeper, task)
        if ended or begun:
            self._on_change()

    async def _end(self, ended: tuple[_Wanted, ...]) -> None:
        tasks = [self._kept[wanted].task for wanted in ended]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Only now: whoever is cancelled above still has them to end.
        for wanted in ended:
            del self._kept[wanted]

    def _approval_of(self, found: FoundServer) -> Approval | None:
        approval = self._approvals.get(found.launch.identity)
        if approval is None or approval.keyed_digest != found.launch.keyed_digest(self._key):
            return None
        return approval

    async def _wait_until_due(self) -> None:
        """Wait for something to settle, or for a server that goes back and forth to calm down."""
        if not self._waits_for_calm:
            await self._settle.wait()
            return
        await self._waiter(self._settle, limits.MCP_SETTLED_AFTER_S)
        self._note_change()

    def _note_change(self) -> None:
        """Take over what keepers learnt, remember it, and have the next pass say it."""
        before, did_wait = dict(self._known), self._waits_for_calm
        self._waits_for_calm = False
        for wanted, kept in self._kept.items():
            learnt = kept.keeper.catalogue
            if learnt is not None:
                key = (wanted.found.source, wanted.found.launch.identity)
                self._take_over(key, KnownCatalogue(learnt.catalogue, learnt.blobs))
        if self._waits_for_calm and not did_wait:
            self._settle.set()
        if self._known != before:
            self._shown = dict(self._known)
            try:
                self._memory.write(self._still_listed())
            except OSError:
                _log.warning("what is known of MCP servers cannot be kept", exc_info=True)
        self._on_change()

    def _take_over(self, key: tuple[str, Digest], offered: KnownCatalogue) -> None:
        known = self._known.setdefault(key, offered)
        now_s = self._clock.monotonic_s()
        if self._settling.takes(key, known.catalogue, offered.catalogue, now_s):
            self._known[key] = offered
        self._waits_for_calm |= self._known[key] != offered

    def _is_held_back(self, found: FoundServer, offered: Catalogue) -> bool:
        known = self._known.get((found.source, found.launch.identity))
        return known is not None and known.catalogue != offered

    def _still_listed(self) -> Catalogues:
        listed = {(found.source, found.launch.identity) for found in self._listed}
        return {key: known for key, known in self._known.items() if key in listed}

    def _observed(self, found: FoundServer) -> ServerObservation:
        status = ServerStatus(ServerState.UNAPPROVED)
        dropped: tuple[DroppedTool, ...] = ()
        for wanted, kept in self._kept.items():
            if wanted.found == found:
                status = kept.keeper.status
                learnt = kept.keeper.catalogue
                dropped = learnt.dropped if learnt else ()
                if learnt is not None and self._is_held_back(found, learnt.catalogue):
                    status = replace(status, reason=status.reason or FLAPPING)
        return ServerObservation(
            source=found.source,
            config_source=found.config_source,
            state=status.state.value,
            reason=status.reason,
            detail=status.detail,
            keyed_digest=found.launch.keyed_digest(self._key),
            dropped_tools=tuple((tool.name, tool.reason) for tool in dropped),
        )


__all__ = ["FLAPPING", "Approval", "McpEngine"]
