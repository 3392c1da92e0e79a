"""The pages by which a browser gets in and out."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from driftpin import limits
from driftpin.errors import TooLarge, Unauthenticated
from driftpin.identity import NOBODY
from driftpin.operations.end_session import end_session
from driftpin.operations.sign_in import sign_in
from driftpin.server.access import CurrentUser, address_of, find_session
from driftpin.server.cookies import set_session, take_back_session
from driftpin.server.forms import SentForm
from driftpin.server.pages import page, see_other
from driftpin.server.services import services_of
from driftpin.web.problem_views import SignInShown
from driftpin.web.site import Shell

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def show_sign_in(request: Request) -> Response:
    """Show how to sign in."""
    shell = Shell("Sign in", is_signed_in=False)
    return page(services_of(request), "sign_in.html", shell, SignInShown())


@router.post("/sign-in")
async def sign_in_by_form(request: Request, form: SentForm) -> Response:
    """Begin a session by name and password; which of them is wrong is not told."""
    services, address = services_of(request), address_of(request)
    name, password = form.text("name"), form.text("password")
    if len(password) > limits.PASSWORD_CHARACTERS_MAX:
        raise TooLarge("No password is that long.", limit="password_characters")
    services.gate.check_sign_in(address, name)
    try:
        session = await sign_in(services.store, NOBODY, services.passwords, name, password)
    except Unauthenticated as refusal:
        services.gate.count_bad_password(address, name)
        shell = Shell("Sign in", is_signed_in=False)
        return page(services, "sign_in.html", shell, SignInShown(refusal.message), status=401)
    response = see_other("/")
    set_session(request, response, session.secret, limits.SESSION_LIFETIME_S)
    return response


@router.post("/sign-out")
async def sign_out_by_form(actor: CurrentUser, request: Request) -> Response:
    """End the session that the page was shown in."""
    session = find_session(request)
    response = see_other("/sign-in")
    if session is not None:
        await end_session(services_of(request).store, actor, session)
        take_back_session(request, response)
    return response


__all__ = ["router"]
