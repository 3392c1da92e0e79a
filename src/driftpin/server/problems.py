"""The one translation of refusals to problem+json (RFC 9457).

A fault of our own shows an opaque id and nothing else; the log has the traceback under that id.
"""

import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from driftpin.errors import DriftpinError, Unavailable
from driftpin.server.links import AgentRefused
from driftpin.server.measuring import note_result
from driftpin.server.problem_page import problem_page, wants_page
from driftpin.web.problem_views import ProblemShown
from driftpin.wire.problem import PROBLEM_MEDIA_TYPE, ProblemShape, status_of
from driftpin.wire.reading import refusal_of_fault

RETRY_AFTER_S: Final = 1
TITLES: Final[Mapping[int, str]] = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    410: "Gone",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported media type",
    421: "Misdirected",
    422: "Broken rule",
    429: "Too many requests",
    431: "Headers too large",
    500: "Internal error",
    503: "Not available",
}
CODES: Final[Mapping[int, str]] = {404: "not_found", 405: "method_not_allowed"}
METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")

log = structlog.get_logger(__name__)


def title_of(status: int) -> str:
    """Return what a status means, in two words."""
    return TITLES.get(status, "Refused")


def problem_response(
    status: int, code: str, detail: str, fields: Mapping[str, Any] | None = None
) -> Response:
    """Return a problem with the headers that belong to its status."""
    shape = ProblemShape(title=title_of(status), status=status, detail=detail, code=code)
    extra = dict(fields or {})
    response = Response(
        shape.model_copy(update=extra).model_dump_json(),
        status_code=status,
        media_type=PROBLEM_MEDIA_TYPE,
    )
    if status in (429, 503):
        response.headers["Retry-After"] = str(extra.get("retry_after_s", RETRY_AFTER_S))
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="driftpin"'
    if "etag" in extra:
        response.headers["ETag"] = str(extra["etag"])
    return response


def response_of(error: DriftpinError) -> Response:
    """Return what a caller is told about a refusal."""
    return problem_response(status_of(error), error.code, error.message, error.fields)


def _answer(request: Request, error: DriftpinError) -> Response:
    """Return a refusal in the form that whoever asked can read."""
    if wants_page(request):
        return _page(request, status_of(error), error.code, error.message)
    return response_of(error)


def _page(request: Request, status: int, code: str, detail: str) -> Response:
    return problem_page(request, ProblemShown(status, title_of(status), detail, code))


def install_problems(app: FastAPI) -> None:
    """Make every refusal and fault of the application a problem."""
    app.add_exception_handler(DriftpinError, _refusal)
    app.add_exception_handler(RequestValidationError, _bad_parameter)
    app.add_exception_handler(HTTPException, _routing)
    app.add_exception_handler(Exception, _fault)


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, DriftpinError)
    # What an agent says is no code of ours, and there is no end of what it might say.
    note_result(request.scope, "agent_refused" if isinstance(error, AgentRefused) else error.code)
    if isinstance(error, Unavailable):
        log.warning("unavailable", code=error.code, detail=error.message)
    return _answer(request, error)


async def _bad_parameter(request: Request, error: Exception) -> Response:
    """Refuse a path, query or header that its type does not take; the value is not repeated."""
    assert isinstance(error, RequestValidationError)
    return _answer(request, refusal_of_fault(error.errors()[0]))


async def _routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, "refused")
    details = {404: "There is no such route.", 405: "This route has other methods."}
    detail = details.get(error.status_code, str(error.detail))
    if wants_page(request):
        return _page(request, error.status_code, code, detail)
    response = problem_response(error.status_code, code, detail)
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(allowed_methods(request.app.routes, request.scope))
    return response


def allowed_methods(routes: Iterable[BaseRoute], scope: Scope) -> tuple[str, ...]:
    """Return the methods that some route has for the path of `scope`."""
    known = tuple(routes)
    return tuple(
        method
        for method in METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in known)
    )


async def _fault(request: Request, error: Exception) -> Response:
    fault_id = secrets.token_hex(8)
    log.error("fault", fault_id=fault_id, path=request.url.path, exc_info=error)
    detail = "Something is wrong with the server; its log has more under this id."
    if wants_page(request):
        return _page(request, 500, "internal_error", f"{detail} {fault_id}")
    return problem_response(500, "internal_error", detail, {"fault_id": fault_id})


__all__ = [
    "allowed_methods",
    "install_problems",
    "problem_response",
    "response_of",
]
