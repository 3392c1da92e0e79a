"""How a page is answered: drawn, with headers that let it load nothing but our own files."""

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from driftpin.identity import Actor, ChatId
from driftpin.server.services import Services
from driftpin.web.site import Shell

PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Without it a browser would not say that a form is ours.
    "Referrer-Policy": "same-origin",
}
EVENTS_PATH: Final = "/api/v1/events"
SECTIONS: Final = {"workspaces": "workspaces", "reviews": "reviews"}


async def shell_of(
    services: Services,
    actor: Actor,
    request: Request,
    title: str,
    *,
    chat_id: ChatId | None = None,
    tells: bool = False,
) -> Shell:
    """Return what stands around a page; to be made before anything is read for it.

    What happens from then on is heard of, so nothing is missed between reading and listening.
    """
    _, last = await services.store.first_and_last_position(actor)
    cursor = services.cursors.write_event(last)
    chat = "" if chat_id is None else f"&chat={chat_id}"
    path, query = request.url.path, request.url.query
    return Shell(
        title=title,
        here=f"{path}?{query}" if query else path,
        section=SECTIONS.get(path.split("/")[1], "chats"),
        events=f"{EVENTS_PATH}?cursor={cursor}{chat}",
        tells=tells,
    )


def page(
    services: Services, template: str, shell: Shell, view: object, *, status: int = 200
) -> Response:
    """Return a page, or a piece of one."""
    return HTMLResponse(
        services.site.draw(template, shell, view), status_code=status, headers=PAGE_HEADERS
    )


def see_other(path: str) -> Response:
    """Return where to look after a form was sent."""
    return RedirectResponse(path, status_code=303)


__all__ = ["PAGE_HEADERS", "page", "see_other", "shell_of"]
