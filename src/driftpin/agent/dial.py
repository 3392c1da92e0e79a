"""The link's carrier: a WebSocket without compression."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from driftpin import limits
from driftpin.agent.link import Dialer, LinkConnection
from driftpin.errors import Unavailable, Unreachable
from driftpin.wire.link import INCARNATION_HEADER, Heartbeat

LINK_PATH: Final = "/api/v1/agent/link"
WEBSOCKET_SCHEMES: Final = {"http": "ws", "https": "wss"}


def link_url(server_url: str) -> str:
    """Return where the link of the server at `server_url` is."""
    parts = urlsplit(server_url)
    scheme = WEBSOCKET_SCHEMES[parts.scheme]
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + LINK_PATH, "", ""))


def websocket_dialer(server_url: str, token: str, heartbeat: Heartbeat | None = None) -> Dialer:
    """Return a dialer that connects to this server as the agent whose token it is."""

    @asynccontextmanager
    async def dial(incarnation: int) -> AsyncIterator[LinkConnection]:
        connection = await _connected(
            link_url(server_url), token, incarnation, heartbeat or Heartbeat()
        )
        try:
            yield _WebSocketLink(connection)
        finally:
            await connection.close()

    return dial


async def _connected(
    url: str, token: str, incarnation: int, heartbeat: Heartbeat
) -> ClientConnection:
    try:
        return await connect(
            url,
            additional_headers={
                "Authorization": f"Bearer {token}",
                INCARNATION_HEADER: str(incarnation),
            },
            compression=None,
            max_size=limits.LINK_MESSAGE_BYTES_MAX,
            max_queue=limits.LINK_CALLS_IN_FLIGHT_MAX,
            ping_interval=heartbeat.ping_interval_s,
            ping_timeout=heartbeat.pong_timeout_s,
            close_timeout=limits.LINK_CLOSE_TIMEOUT_S,
            proxy=None,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        raise Unavailable(f"the server answered {status}", code="link_refused") from error
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise Unreachable("the server's link cannot be reached") from error


class _WebSocketLink:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def receive(self) -> bytes | None:
        try:
            message = await self._connection.recv()
        except ConnectionClosed:
            return None
        # A text message is no msgpack, and is refused as such.
        return message.encode() if isinstance(message, str) else message

    async def send(self, message: bytes) -> None:
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise Unreachable("the link has ended") from error


__all__ = ["LINK_PATH", "link_url", "websocket_dialer"]
