"""The workspace agent, put together: passes, pushing, the link and the local socket.

Only this module builds what the others need. The agent opens no port: it calls the server, and
listens on a Unix socket for processes of its own user.
"""

import asyncio
import logging
import os
import platform
import socket
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from driftpin import __version__
from driftpin.agent.calls import AgentCalls
from driftpin.agent.lifeline import stopped_by_signals, wait_for_end_of
from driftpin.agent.link import Dialer, Link
from driftpin.agent.local_protocol import socket_paths
from driftpin.agent.local_socket import LocalSocket
from driftpin.agent.mcp_servers import Approver, McpPlaces, McpServers
from driftpin.agent.names import shown_name
from driftpin.agent.passes import Passes, Resolved, WorkspaceState
from driftpin.agent.push import ControlPlane, Pusher
from driftpin.agent.readiness import Readiness, ReadinessSettings, Ready
from driftpin.agent.resolve import ScanSettings
from driftpin.agent.schedule import Timing
from driftpin.agent.sources import SourceFile
from driftpin.agent.workspace import Workspace
from driftpin.agent.workspace_files import WorkspaceFiles
from driftpin.clock import Clock, SystemClock
from driftpin.context.resource import ServerObservation
from driftpin.errors import DriftpinError
from driftpin.failpoints import Reach, pass_by
from driftpin.identity import IdSource, RandomIds
from driftpin.wire.agent import HelloRequest

READY_TIMEOUT_NOTE = "ready_timeout"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What one agent works on. `home` is None when the user's own directories are left out.

    `sources_path` is the small file that keeps the declared sources, `mcp` are those that keep what
    is known of MCP servers.
    """

    directory: Path
    sources_path: Path
    home: Path | None = None
    scan: ScanSettings = field(default_factory=ScanSettings)
    timing: Timing = field(default_factory=Timing)
    readiness: ReadinessSettings = field(default_factory=ReadinessSettings)
    mcp: McpPlaces | None = None


class WorkspaceAgent:
    """One agent on one workspace, from its start to its end.

    `listening` is set when the local socket answers.
    """

    def __init__(
        self,
        settings: AgentSettings,
        control_plane: ControlPlane,
        dial: Dialer,
        *,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        approver: Approver | None = None,
        environment: Mapping[str, str] = os.environ,
        reach: Reach = pass_by,
    ) -> None:
        clock = clock or SystemClock()
        self._settings = settings
        self._environment = environment
        self._stopping = asyncio.Event()
        self.listening = asyncio.Event()
        self._final: DriftpinError | None = None
        self._readiness = Readiness(settings.readiness, clock)
        sources = SourceFile(settings.sources_path)
        self._servers = self._mcp_servers(approver, clock)
        self._workspace = Workspace(
            settings.directory,
            sources,
            home=settings.home,
            clock=clock,
            settings=settings.scan,
            catalogues=self._servers.catalogues if self._servers else dict,
        )
        self._pusher = Pusher(
            control_plane,
            self._introduction((ids or RandomIds()).fresh(clock.now())),
            clock=clock,
            ask_for_pass=self._ask_for_pass,
            reach=reach,
        )
        self._passes = Passes(
            settings.directory,
            self._workspace,
            self._hand_on,
            clock=clock,
            timing=settings.timing,
            is_relevant=self._workspace.is_relevant,
            notes=self._notes,
            observe_servers=self._observe_servers,
            reach=reach,
        )
        self.calls = AgentCalls(
            directory=settings.directory,
            workspace=self._workspace,
            source_file=sources,
            passes=self._passes,
            pusher=self._pusher,
            readiness=self._readiness,
            is_linked=lambda: self._link.is_up,
            stop_agent=self.stop,
            files=WorkspaceFiles(settings.directory, clock),
            servers=self._servers,
            reach=reach,
            tell=self._tell,
        )
        self._link = Link(
            dial,
            self.calls.linked(),
            incarnation=self._incarnation,
            on_change=self._pusher.say_hello_again,
            clock=clock,
        )

    def stop(self) -> None:
        """End the agent; `run` returns soon."""
        self._stopping.set()

    async def run(self, lifeline: IO[Any] | None = None) -> None:
        """Work until stopped, signalled, or until the other end of `lifeline` is closed.

        Raises what ended it for good: PushOutdated (`fenced`) when a newer process took over, Gone
        when the agent was deleted, Conflict (`agent_running`) when one runs here already,
        Unavailable (`out_of_resources`) when only a fresh process may have what this one lacks.
        """
        places = socket_paths(self._settings.directory, self._environment)
        with stopped_by_signals(self.stop):
            async with LocalSocket(self.calls.local()).serving(places):
                self.listening.set()
                await self._work(lifeline)
        if self._final is not None:
            raise self._final

    def _mcp_servers(self, approver: Approver | None, clock: Clock) -> McpServers | None:
        """Return what runs MCP servers; without anybody who approves them none are run."""
        if self._settings.mcp is None or approver is None:
            return None
        return McpServers(
            approver,
            self._settings.mcp,
            directory=self._settings.directory,
            environment=self._environment,
            clock=clock,
            on_change=self._look_again,
            ask_every_s=self._settings.timing.rescan_interval_s,
        )

    async def _tell(self, method: str, params: Mapping[str, Any]) -> None:
        await self._link.tell(method, params)

    def _hand_on(self, state: WorkspaceState) -> None:
        self._workspace.hand_on()
        self._pusher.offer(state)

    def _observe_servers(self, resolved: Resolved) -> tuple[ServerObservation, ...]:
        if self._servers is None:
            return ()
        self._servers.list_servers(resolved.servers)
        return self._servers.observations()

    def _look_again(self) -> None:
        self._passes.signal()

    def _ask_for_pass(self) -> None:
        # What a root that is gone brought cannot be read for the server; only the rest can.
        self._workspace.let_go()
        self._passes.ask()

    async def _work(self, lifeline: IO[Any] | None) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._look(), name="passes"),
                group.create_task(self._push(), name="push"),
                group.create_task(self._keep_link(), name="link"),
            ]
            if self._servers is not None:
                running = self._servers.run(self._pusher.introduced)
                tasks.append(group.create_task(running, name="mcp"))
            if lifeline is not None:
                tasks.append(group.create_task(self._hold_on_to(lifeline), name="lifeline"))
            await self._stopping.wait()
            for task in tasks:
                task.cancel()

    async def _push(self) -> None:
        first_pass = 0
        if not self._settings.readiness.is_at_once:
            ready = await self._readiness.wait()
            _log.info("the workspace is ready: %s", ready)
            # What was seen before may be half set up.
            first_pass = self._passes.ask()
        await self._until_final(self._pusher.run(first_pass))

    async def _look(self) -> None:
        await self._until_final(self._passes.run())

    async def _until_final(self, work: Awaitable[None]) -> None:
        try:
            await work
        except DriftpinError as final:
            _log.error("the agent stops: %s", final.message)
            self._final = final
            self.stop()

    async def _keep_link(self) -> None:
        await self._pusher.introduced.wait()
        await self._link.run()

    def _incarnation(self) -> int:
        agent = self._pusher.agent
        assert agent is not None, "the link is opened after the first hello"
        return agent.incarnation

    async def _hold_on_to(self, lifeline: IO[Any]) -> None:
        await wait_for_end_of(lifeline)
        self.stop()

    def _notes(self) -> tuple[str, ...]:
        has_timed_out = self._readiness.state is Ready.TIMED_OUT
        return (*self._workspace.notes, *((READY_TIMEOUT_NOTE,) if has_timed_out else ()))

    def _introduction(self, run_id: str) -> HelloRequest:
        return HelloRequest(
            run_id=run_id,
            hostname=socket.gethostname(),
            os=platform.system(),
            version=__version__,
            roots={root.name: shown_name(str(root.path)) for root in self._workspace.roots},
        )


__all__ = ["READY_TIMEOUT_NOTE", "AgentSettings", "WorkspaceAgent"]
