"""`driftpin agent`: the workspace agent put to work, by a person or as a child of `driftpin up`."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from driftpin.agent.agent import AgentSettings, WorkspaceAgent
from driftpin.agent.dial import websocket_dialer
from driftpin.agent.push import ControlPlane
from driftpin.agent.readiness import ReadinessSettings
from driftpin.agent.resolve import ScanSettings
from driftpin.agent.schedule import Timing
from driftpin.cli.agent_child import Credentials, HeadNews, read_credentials, tell_parent
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.logs import log_to_standard_error
from driftpin.cli.options import Reach
from driftpin.cli.places import find_home, get_directory
from driftpin.cli.remembered import Remembered
from driftpin.client import AgentClient
from driftpin.errors import Conflict, Unauthenticated, Unreachable, UsageError
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
    """A server as the agent sees it, which also tells what the server came to hold."""

    def __init__(self, server: ControlPlane, *, is_child: bool) -> None:
        """Pass everything on to `server`; tell the parent, or whoever reads the terminal."""
        self._server = server
        self._is_child = is_child

    async def hello(self, request: HelloRequest) -> HelloReply:
        """Introduce this process."""
        return await self._server.hello(request)

    async def upload_blobs(self, request: BlobsRequest) -> object:
        """Bring bytes ahead of a push."""
        return await self._server.upload_blobs(request)

    async def push(self, request: PushRequest) -> PushReply:
        """Offer a state; tell of it once it is held."""
        reply = await self._server.push(request)
        listed = request.manifest["resources"]
        statuses = [each["status"] for each in listed if isinstance(each, dict)]  # type: ignore[union-attr]
        news = HeadNews(
            snapshot=reply.head.digest,
            result=reply.result,
            resources=len(statuses),
            not_ok=sum(status != "ok" for status in statuses),
        )
        if self._is_child:
            tell_parent(news)
        elif reply.result == "accepted":
            say(f"pushed {news.resources} resources, {news.not_ok} not ok: {news.snapshot}")
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
            raise Finished(ExitCode.BUSY) from conflict
        raise


async def _run(place: Path, settings: Settings, wish: AgentWish, credentials: Credentials) -> None:
    names = settings.instruction_files
    remembered = Remembered(state_directory(settings))
    agent_settings = AgentSettings(
        directory=place,
        sources_path=remembered.sources_file(place),
        home=find_home() if settings.user_roots else None,
        scan=ScanSettings() if names is None else ScanSettings(instruction_names=names),
        timing=Timing(rescan_interval_s=settings.rescan_interval_s),
        readiness=ReadinessSettings(paths=wish.wait_for, waits_for_call=wish.waits_for_call),
    )
    async with AgentClient(credentials.url, credentials.token) as server:
        agent = WorkspaceAgent(
            agent_settings,
            ReportingControlPlane(server, is_child=wish.has_lifeline),
            websocket_dialer(credentials.url, credentials.token),
        )
        await agent.run(sys.stdin.buffer if wish.has_lifeline else None)


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
