"""A refusal as a page, for whoever asked for one."""

from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from driftpin.identity import is_id
from driftpin.server.cookies import has_session
from driftpin.server.pages import page
from driftpin.server.services import services_of
from driftpin.web.problem_views import ProblemShown, SignInShown
from driftpin.web.site import Shell

PROGRAMS_PATHS: Final = ("/api/", "/assets/", "/metrics", "/healthz", "/readyz")
HEAD_MOVED: Final = "head_moved"


def wants_page(request: Request) -> bool:
    """Whether a browser asked for a page, and not a program for an answer."""
    is_page = not request.url.path.startswith(PROGRAMS_PATHS)
    return is_page and "text/html" in request.headers.get("accept", "")


def problem_page(request: Request, problem: ProblemShown) -> Response:
    """Return the refusal as a page; to whoever is not signed in, how to sign in."""
    services = services_of(request)
    if problem.status == 401:
        detail = problem.detail if has_session(request.headers) else ""
        shell = Shell("Sign in", is_signed_in=False)
        return page(services, "sign_in.html", shell, SignInShown(detail), status=401)
    shell = Shell(problem.title, is_signed_in=has_session(request.headers))
    shown = _with_way_back(request, problem)
    return page(services, "problem.html", shell, shown, status=problem.status)


def _with_way_back(request: Request, problem: ProblemShown) -> ProblemShown:
    parts = request.url.path.split("/")
    if parts[1] not in ("chats", "workspaces") or len(parts) < 4 or not is_id(parts[2]):
        return problem
    place, is_chat = "/".join(parts[:3]), parts[1] == "chats"
    if problem.code == HEAD_MOVED:
        again = f"{place}/drift" if is_chat else request.url.path
        return replace(problem, back=again, back_words="Look at what changed now")
    back_words = "Back to the chat" if is_chat else "Back to the workspace"
    return replace(problem, back=place, back_words=back_words)


__all__ = ["problem_page", "wants_page"]
