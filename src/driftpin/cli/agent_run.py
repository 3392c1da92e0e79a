"""`driftpin agent`: the workspace agent put to work, by a person or as a child of `driftpin up`."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from driftpin.agent.agent import AgentSettings, WorkspaceAgent
from driftpin.agent.dial import websocket_dialer
from driftpin.agent.mcp_servers import McpPlaces
from driftpin.agent.push import ControlPlane
from driftpin.agent.readiness import ReadinessSettings
from driftpin.agent.resolve import ScanSettings
from driftpin.agent.schedule import Timing
from driftpin.cli.agent_child import Credentials, HeadNews, read_credentials, tell_parent
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.logs import log_to_standard_error
from driftpin.cli.options import Reach
from driftpin.cli.output import counted
from driftpin.cli.places import find_home, get_directory
from driftpin.cli.remembered import KnownDirectory, Remembered
from driftpin.client import AgentClient
from driftpin.errors import Conflict, Unauthenticated, Unreachable, UsageError
from driftpin.identity import AgentId, WorkspaceId
from driftpin.settings import Settings, load_settings, state_directory
from driftpin.wire.agent import BlobsRequest, HelloReply, HelloRequest, PushReply, PushRequest


@dataclass(frozen=True, slots=True)
class AgentWish:
    """How the agent was asked to run."""

    directory: Path
    wait_for: tuple[Path, ...] = ()
    waits_for_call: bool = False
    has_lifeline: bool = False


class ReportingControlPlane:
    """A server as the agent sees it, which also reports what the server answered."""

    def __init__(
        self,
        server: ControlPlane,
        *,
        on_hello: Callable[[HelloReply], None],
        on_head: Callable[[HeadNews], None],
    ) -> None:
        """Pass everything on to `server`."""
        self._server = server
        self._on_hello = on_hello
        self._on_head = on_head

    async def hello(self, request: HelloRequest) -> HelloReply:
        """Introduce this process."""
        reply = await self._server.hello(request)
        self._on_hello(reply)
        return reply

    async def upload_blobs(self, request: BlobsRequest) -> object:
        """Bring bytes ahead of a push."""
        return await self._server.upload_blobs(request)

    async def push(self, request: PushRequest) -> PushReply:
        """Offer a state; report it once it is held."""
        reply = await self._server.push(request)
        listed = request.manifest["resources"]
        resources = listed if isinstance(listed, list) else []
        usable = sum(isinstance(each, dict) and each.get("status") == "ok" for each in resources)
        self._on_head(
            HeadNews(
                snapshot=reply.head.digest,
                result=reply.result,
                resources=len(resources),
                not_ok=len(resources) - usable,
            )
        )
        return reply


def run(reach: Reach, wish: AgentWish, agent_token: str | None) -> None:
    """Run until stopped; a child ends with its parent.

    The codes tell a parent what to do: see `agent_child`.
    """
    place = get_directory(wish.directory)
    flags = {**reach.flags(), "agent_token": agent_token}
    settings = load_settings(flags).settings
    log_to_standard_error(settings.log_level)
    credentials = _inherited() if wish.has_lifeline else _own(settings)
    try:
        asyncio.run(_run(place, settings, wish, credentials))
    except Conflict as conflict:
        if wish.has_lifeline and conflict.code == "agent_running":
            say(f"error: {conflict.message}")
            raise Finished(ExitCode.BUSY) from conflict
        raise


async def _run(place: Path, settings: Settings, wish: AgentWish, credentials: Credentials) -> None:
    names = settings.instruction_files
    remembered = Remembered(state_directory(settings))
    kept = remembered.agent_state(place)
    agent_settings = AgentSettings(
        directory=place,
        sources_path=remembered.sources_file(place),
        home=find_home() if settings.user_roots else None,
        scan=ScanSettings() if names is None else ScanSettings(instruction_names=names),
        timing=Timing(rescan_interval_s=settings.rescan_interval_s),
        readiness=ReadinessSettings(paths=wish.wait_for, waits_for_call=wish.waits_for_call),
        mcp=McpPlaces(kept / "catalogues.json", kept / "mcp.key"),
    )
    async with AgentClient(credentials.url, credentials.token) as server:
        agent = WorkspaceAgent(
            agent_settings,
            _reporting(server, remembered, place, is_child=wish.has_lifeline),
            websocket_dialer(credentials.url, credentials.token),
            approver=server,
        )
        await agent.run(sys.stdin.buffer if wish.has_lifeline else None)


def _reporting(
    server: ControlPlane, remembered: Remembered, place: Path, *, is_child: bool
) -> ReportingControlPlane:
    """Report to the parent, which remembers the directory itself, or to whoever reads along."""

    def remember(reply: HelloReply) -> None:
        known = KnownDirectory(place, WorkspaceId(reply.workspace_id), AgentId(reply.agent_id))
        remembered.keep_directory(known)

    def tell(news: HeadNews) -> None:
        if news.result == "accepted":
            counts = f"{counted(news.resources, 'resource')}, {news.not_ok} not ok"
            say(f"published {counts}: {news.snapshot}")

    if is_child:
        return ReportingControlPlane(server, on_hello=lambda _reply: None, on_head=tell_parent)
    return ReportingControlPlane(server, on_hello=remember, on_head=tell)


def _inherited() -> Credentials:
    try:
        return read_credentials()
    except Unreachable as gone:
        # The parent ended before it had anything to do; it has said why.
        raise Finished(ExitCode.CLEAN) from gone


def _own(settings: Settings) -> Credentials:
    if settings.url is None:
        raise UsageError("Say which server: --url, or DRIFTPIN_URL.", code="bad_setting")
    if settings.agent_token is None:
        raise Unauthenticated(
            "An agent needs its own token; `POST /api/v1/workspaces/{id}/agents` gives one. Set it"
            " as DRIFTPIN_AGENT_TOKEN."
        )
    return Credentials(settings.url, settings.agent_token.get_secret_value())


__all__ = ["AgentWish", "ReportingControlPlane", "run"]
