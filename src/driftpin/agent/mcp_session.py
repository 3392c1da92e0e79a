"""One connected session with an MCP server, through the SDK, in either era of the protocol.

The SDK is imported when the first approved server is to be reached: it takes a second or two, and
most workspaces have none. A session is entered and left in one task, as the SDK asks; calls may
come from any other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from driftpin import __version__, limits
from driftpin.agent.mcp_egress import EgressRefused, Resolve, checked_client, resolve_by_system
from driftpin.agent.mcp_stdio import BAD_REPLY, TOO_LARGE, StdioTransport
from driftpin.context.launch import Launch, Transport
from driftpin.context.tool_catalogue import ReadCatalogue, find_definition, read_catalogue

# How far a call has come, of how much if that is known, and in words if there are any.
OnProgress = Callable[[float, float | None, str | None], Awaitable[None]]

PAGE_LOOP: Final = "catalogue_too_large"
CRASHED: Final = "mcp_server_crashed"
LOSSES: Final[Mapping[str, str]] = {
    TOO_LARGE: "result_too_large",
    BAD_REPLY: "bad_mcp_reply",
}


class ServerFailure(Exception):
    """A server could not be started, reached or understood; `reason` is a fixed code."""

    def __init__(self, reason: str, detail: str = "") -> None:
        """`detail` is for people; whoever shows it takes the secrets out first."""
        self.reason = reason
        self.detail = detail
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a server runs in: the workspace's directory, the agent's environment, the network."""

    directory: Path
    environment: Mapping[str, str]
    resolve: Resolve = resolve_by_system


@dataclass(frozen=True, slots=True)
class Target:
    """A server to open: its expanded launch, and what the approval of its identity allows."""

    launch: Launch
    surroundings: Surroundings
    allows_private: bool = False


class Session:
    """A server that answers. `lost` is set when it no longer can."""

    def __init__(self, client: Any, lost: asyncio.Event, stdio: StdioTransport | None) -> None:
        """Speak through an entered SDK client; `stdio` knows why a process was lost."""
        self._client = client
        self._stdio = stdio
        self.lost = lost

    @property
    def is_remote(self) -> bool:
        """Whether the server is reached over the network."""
        return self._stdio is None

    @property
    def code_of_loss(self) -> str:
        """What a call fails with that the loss of the session cut off."""
        return LOSSES.get(self._stdio.failure if self._stdio else "", CRASHED)

    async def read_catalogue(self) -> ReadCatalogue:
        """Return everything that the server offers now; raises ServerFailure."""
        return read_catalogue(self._client.instructions, await self._list_tools())

    async def find_tool(self, name: str) -> bytes | None:
        """Return the definition that a tool has now, in canonical form; None if it has no good one.

        Raises ServerFailure.
        """
        return find_definition(name, await self._list_tools())

    async def is_silent(self) -> bool:
        """Whether the server does not even answer a ping any more."""
        import mcp_types
        from mcp.shared.exceptions import MCPError

        try:
            async with asyncio.timeout(limits.MCP_PING_TIMEOUT_S):
                await self._client.session.send_request(
                    mcp_types.PingRequest(), mcp_types.EmptyResult
                )
        except TimeoutError:
            return True
        except MCPError:
            # A refusal is an answer too.
            return False
        return False

    async def _list_tools(self) -> list[dict[str, Any]]:
        tools: list[dict[str, Any]] = []
        cursors: set[str] = set()
        cursor: str | None = None
        for _ in range(limits.MCP_PAGES_MAX):
            page = await self._client.list_tools(cursor=cursor)
            tools.extend(
                tool.model_dump(mode="json", by_alias=True, exclude_none=True)
                for tool in page.tools
            )
            cursor = page.next_cursor
            if cursor is None or cursor in cursors:
                break
            cursors.add(cursor)
        return tools

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, on_progress: OnProgress
    ) -> Any:
        """Return the SDK's result of a call; whoever asks bounds the time."""
        return await self._client.call_tool(
            name,
            dict(arguments),
            # Without a time of its own a call has that of a list.
            read_timeout_seconds=limits.MCP_CALL_LONGEST_S,
            progress_callback=on_progress,
        )

    async def watch(self, on_change: Callable[[], None]) -> None:
        """Call `on_change` whenever the server says that its tools changed; for newer servers."""
        from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
        from mcp.shared.exceptions import MCPError

        try:
            async with self._client.listen(tools_list_changed=True) as changes:
                on_change()
                async for _ in changes:
                    on_change()
        except (ListenNotSupportedError, MCPError, SubscriptionLost, TimeoutError):
            # Older servers tell without being asked; a lost subscription is a lost hint.
            return


@asynccontextmanager
async def open_session(target: Target, on_change: Callable[[], None]) -> AsyncIterator[Session]:
    """Give a session with the target.

    Raises ServerFailure, on entering and on leaving, for whatever the server did. `on_change` is
    called when an older server says that its tools changed.
    """
    stdio = _stdio(target)
    lost = asyncio.Event()
    try:
        async with _client(target, stdio, on_change, lost) as client:
            if stdio is not None:
                stdio.on_end = lost.set
            yield Session(client, lost, stdio)
    except ServerFailure:
        raise
    except Exception as error:
        raise failure_of(error, stdio) from error


@asynccontextmanager
async def _client(
    target: Target,
    stdio: StdioTransport | None,
    on_change: Callable[[], None],
    lost: asyncio.Event,
) -> AsyncIterator[Any]:
    import mcp_types
    from mcp import Client

    async def handle(message: Any) -> None:
        if isinstance(message, mcp_types.ToolListChangedNotification):
            on_change()
        elif isinstance(message, Exception):
            lost.set()

    client = Client(
        stdio or _remote(target),
        client_info=mcp_types.Implementation(name="driftpin", version=__version__),
        message_handler=handle,
        read_timeout_seconds=limits.MCP_CONNECT_TIMEOUT_S,
        cache=None,
    )
    async with asyncio.timeout(limits.MCP_CONNECT_TIMEOUT_S) as connecting:
        async with client:
            connecting.reschedule(None)
            yield client


def _stdio(target: Target) -> StdioTransport | None:
    if target.launch.transport is not Transport.STDIO:
        return None
    around = target.surroundings
    return StdioTransport(target.launch, directory=around.directory, environment=around.environment)


def _remote(target: Target) -> Any:
    from mcp.client.sse import sse_client
    from mcp.client.streamable_http import streamable_http_client

    url = target.launch.url
    assert url is not None, "a server that is not started has an address"

    def client(
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        del timeout, auth  # the bounds are ours, and nobody signs in here
        return checked_client(
            headers={**dict(target.launch.headers), **(headers or {})},
            allows_private=target.allows_private,
            resolve=target.surroundings.resolve,
        )

    @asynccontextmanager
    async def streamable() -> AsyncIterator[Any]:
        # Only a client that the SDK made itself is closed by it.
        async with (
            client() as http,
            streamable_http_client(
                url, http_client=http, max_sse_event_size=limits.MCP_LINE_BYTES_MAX
            ) as streams,
        ):
            yield streams

    if target.launch.transport is Transport.SSE:
        return sse_client(url, httpx_client_factory=client)
    return streamable()


def failure_of(error: BaseException, stdio: StdioTransport | None) -> ServerFailure:
    """Return what an error of the SDK, the system or the network means for the server."""
    causes = tuple(_leaves(error))
    if stdio is not None and stdio.failure:
        if stdio.failure == "exited":
            ended = f"exit code {stdio.exit_code}\n{stdio.stderr_tail}"
            return ServerFailure("start_failed/exited", ended)
        return ServerFailure(stdio.failure, stdio.stderr_tail)
    for kind, reason in (
        (EgressRefused, "blocked/egress"),
        # An address that is written so oddly that the client does not take it for one.
        (httpx2.InvalidURL, "blocked/egress"),
        (FileNotFoundError, "start_failed/not_found"),
        (NotADirectoryError, "start_failed/not_found"),
        (PermissionError, "start_failed/permission"),
        (TimeoutError, "start_failed/timeout"),
        (httpx2.TimeoutException, "start_failed/timeout"),
        (httpx2.HTTPStatusError, "start_failed/refused"),
        (httpx2.TransportError, "start_failed/unreachable"),
        (OSError, "start_failed/system"),
    ):
        if any(isinstance(cause, kind) for cause in causes):
            return ServerFailure(reason, stdio.stderr_tail if stdio else "")
    return ServerFailure("protocol_error", "; ".join(type(cause).__name__ for cause in causes))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
        return
    yield error
    if error.__cause__ is not None:
        yield from _leaves(error.__cause__)


__all__ = [
    "OnProgress",
    "ServerFailure",
    "Session",
    "Surroundings",
    "Target",
    "failure_of",
    "open_session",
]
