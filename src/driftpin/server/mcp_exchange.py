"""One message of an MCP client, and whatever it is answered with."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from driftpin import limits

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

SESSION_HEADER: Final = "mcp-session-id"
# Sessions are none of the library's business here, and the body is inflated by now.
_NOT_PASSED_ON: Final = frozenset({b"mcp-session-id", b"content-encoding", b"content-length"})


class McpExchange(Response):
    """A response that has a message answered by an MCP server of its own.

    Everything that was started for it has ended when it is over, also when the client left.
    """

    def __init__(
        self,
        server: "Server[Any]",
        body: bytes,
        *,
        place: AbstractContextManager[None],
        session: str | None = None,
    ) -> None:
        """Answer `body`; `place` is held meanwhile, `session` is told to the client."""
        super().__init__()
        self._server = server
        self._content = body
        self._place = place
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        # Loaded with the gateway (`server.mcp_door`), and not before it.
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        with self._place:
            manager = StreamableHTTPSessionManager(
                self._server,
                stateless=True,
                max_request_body_size=limits.GATEWAY_MESSAGE_BYTES_MAX,
            )
            async with manager.run():
                await manager.handle_request(
                    _passed_on(scope), _again(self._content, receive), self._named(send)
                )

    def _named(self, send: Send) -> Send:
        async def send_named(message: Message) -> None:
            if self._session is not None and message["type"] == "http.response.start":
                MutableHeaders(scope=message)[SESSION_HEADER] = self._session
            await send(message)

        return send_named


def _passed_on(scope: Scope) -> Scope:
    kept = [(name, value) for name, value in scope["headers"] if name not in _NOT_PASSED_ON]
    return {**scope, "headers": kept}


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read already once more, then whatever follows it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


__all__ = ["SESSION_HEADER", "McpExchange"]
