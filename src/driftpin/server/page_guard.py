"""Keeps web pages of others out: Host, Origin and Fetch Metadata, before anything is looked up.

A request with a bearer token, or with a header that a browser sends across origins only when it was
allowed to, comes from a program; nobody is allowed to here. Everything else may come from a page,
and passes only as one of our own or as a person's step to an address.
"""

from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from driftpin.errors import DriftpinError, Forbidden, Malformed, NotFound
from driftpin.server.cookies import has_session
from driftpin.server.hosts import HostRule
from driftpin.server.problems import problem_response, response_of

# Any value of it says that a program calls: a page of another site cannot send it.
PROGRAM_HEADER: Final = "x-driftpin-client"
WATCHED_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FOREIGN_SITES: Final = frozenset({"cross-site", "same-site"})
ENCODED_SEPARATORS: Final = (b"%2f", b"%5c")


class PageGuard:
    """An application around another one; refuses what no page of ours and no program sends."""

    def __init__(self, app: ASGIApp, rule: HostRule) -> None:
        """Pass on to `app` whatever `rule` lets in."""
        self._app = app
        self._rule = rule

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        try:
            _check_path(scope)
            host = _one(headers, "host")
            if not self._is_ours(scope, host):
                return problem_response(
                    421, "misdirected", "This server does not go by the name in the Host header."
                )
            if scope["type"] == "http":
                self._check_page(scope, headers, host)
        except DriftpinError as refusal:
            return response_of(refusal)
        return None

    def _is_ours(self, scope: Scope, host: str) -> bool:
        # Whoever balances load, or scrapes, asks every server by its address.
        is_watched = scope["path"] in WATCHED_PATHS and not self._rule.is_local
        return is_watched or self._rule.is_own_host(host)

    def _check_page(self, scope: Scope, headers: Headers, host: str) -> None:
        if headers.get("authorization", "")[:7].lower() == "bearer ":
            return
        origin = _one(headers, "origin") or None
        if origin is not None and not self._rule.is_own_origin(origin, host, scope["scheme"]):
            raise _foreign_page()
        is_program = PROGRAM_HEADER in headers
        is_foreign = headers.get("sec-fetch-site") in FOREIGN_SITES
        if is_foreign and not is_program and not _is_step_of_a_person(scope, headers):
            raise _foreign_page()
        changes = scope["method"] not in SAFE_METHODS
        if changes and origin is None and has_session(headers):
            raise _foreign_page()


def check_listening_page(headers: Headers) -> None:
    """Refuse a stream to a browser that does not say that the page is ours.

    A browser sends no Origin with a plain stream of its own page, and says so by Fetch Metadata.
    """
    is_own = headers.get("sec-fetch-site") in ("same-origin", "none")
    if has_session(headers) and not is_own and "origin" not in headers:
        raise _foreign_page()


def _is_step_of_a_person(scope: Scope, headers: Headers) -> bool:
    is_navigation = headers.get("sec-fetch-mode") == "navigate"
    is_whole_page = headers.get("sec-fetch-dest") == "document"
    return scope["method"] == "GET" and is_navigation and is_whole_page


def _check_path(scope: Scope) -> None:
    raw_path = bytes(scope.get("raw_path") or b"").lower()
    segments = scope["path"].replace("\\", "/").split("/")
    if ".." in segments or "." in segments or any(each in raw_path for each in ENCODED_SEPARATORS):
        raise NotFound("There is no such route.")


def _one(headers: Headers, name: str) -> str:
    values = headers.getlist(name)
    if len(values) > 1:
        raise Malformed(f"Send one {name} header.", code="repeated_header")
    return values[0] if values else ""


def _foreign_page() -> Forbidden:
    return Forbidden("A page of another site may not do this.", code="csrf")


__all__ = ["PageGuard", "check_listening_page"]
