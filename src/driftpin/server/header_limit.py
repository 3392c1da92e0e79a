"""Refuses headers that are too large, before anything else looks at a request."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from driftpin import limits
from driftpin.server.problems import problem_response

# What the wire has beside each name and value: a colon, a space and the end of the line.
PUNCTUATION_BYTES: Final = 4


class HeaderLimit:
    """An application around another one; answers 431 by itself."""

    def __init__(self, app: ASGIApp) -> None:
        """Pass on to `app` whatever is small enough."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "lifespan" and _header_bytes(scope) > limits.API_HEADER_BYTES_MAX:
            response = problem_response(
                431,
                "headers_too_large",
                f"Headers have at most {limits.API_HEADER_BYTES_MAX} bytes.",
                {"limit": "header_bytes", "maximum": limits.API_HEADER_BYTES_MAX},
            )
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _header_bytes(scope: Scope) -> int:
    names_and_values = sum(
        len(name) + len(value) + PUNCTUATION_BYTES for name, value in scope["headers"]
    )
    return names_and_values + len(scope.get("raw_path") or b"") + len(scope["query_string"])


__all__ = ["HeaderLimit"]
