"""What every answer tells a browser: nothing in it runs, is framed, is guessed at, or is kept."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURE_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
STARTS: Final = frozenset({"http.response.start", "websocket.http.response.start"})


class SecureHeaders:
    """An application around another one; adds what an answer does not say by itself."""

    def __init__(self, app: ASGIApp) -> None:
        """Pass everything on to `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and complete the head of the answer."""

        async def send_completed(message: Message) -> None:
            if message["type"] in STARTS:
                _complete(message)
            await send(message)

        await self._app(scope, receive, send_completed)


def _complete(message: dict[str, Any] | Message) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in SECURE_HEADERS.items():
        headers.setdefault(name, value)


__all__ = ["SECURE_HEADERS", "SecureHeaders"]
