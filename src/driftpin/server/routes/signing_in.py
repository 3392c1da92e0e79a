"""Signing in without a token: by name and password, or by a link that is good once."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from driftpin import limits
from driftpin.credentials import TokenKind, read_token
from driftpin.errors import Forbidden, Malformed, NotFound, Unauthenticated
from driftpin.identity import NOBODY, Digest
from driftpin.operations.create_login_link import create_login_link
from driftpin.operations.end_session import end_session
from driftpin.operations.set_password import set_password
from driftpin.operations.sign_in import sign_in
from driftpin.operations.use_login_link import use_login_link
from driftpin.server.access import CurrentUser, address_of, find_session
from driftpin.server.body import JsonBody
from driftpin.server.cookies import set_session, take_back_session
from driftpin.server.pages import page
from driftpin.server.parameters import UserIdPath
from driftpin.server.replies import reply, user_shape
from driftpin.server.services import services_of
from driftpin.web.problem_views import SignInShown
from driftpin.web.site import Shell
from driftpin.wire import signing_in as wire

router = APIRouter(tags=["signing in"])

V1: Final = "/api/v1"
LINK_PATH: Final = "/sign-in"
HERE_AFTERWARDS: Final = "/"
PAGE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A page with one button.",
        "content": {"text/html": {"schema": {"type": "string"}}},
    }
}
SEE_OTHER: Final[dict[int | str, dict[str, Any]]] = {
    303: {"description": "Signed in; the session is in a cookie."}
}

Sign = Annotated[
    wire.SignInRequest,
    Depends(JsonBody(wire.SignInRequest, bytes_max=limits.SIGN_IN_BODY_BYTES_MAX)),
]
NewPassword = Annotated[
    wire.SetPasswordRequest,
    Depends(JsonBody(wire.SetPasswordRequest, bytes_max=limits.SIGN_IN_BODY_BYTES_MAX)),
]
CodePath = Annotated[str, Path(alias="code", max_length=100)]


@router.post(f"{V1}/sign-in", response_model=wire.SignedInShape)
async def sign_in_by_password(request: Request, asked: Sign) -> Response:
    """Begin a session by name and password; which of them is wrong is not told."""
    services, address = services_of(request), address_of(request)
    services.gate.check_sign_in(address, asked.name)
    try:
        session = await sign_in(
            services.store, NOBODY, services.passwords, asked.name, asked.password
        )
    except Unauthenticated:
        services.gate.count_bad_password(address, asked.name)
        raise
    shape = wire.SignedInShape(user=user_shape(session.user), expires_at=session.expires_at)
    response = reply(shape)
    set_session(request, response, session.secret, limits.SESSION_LIFETIME_S)
    return response


@router.post(f"{V1}/sign-out", status_code=204)
async def sign_out(actor: CurrentUser, request: Request) -> Response:
    """End the session whose cookie is sent; a token is revoked with `DELETE /tokens/{id}`."""
    session = find_session(request)
    if session is None:
        raise Malformed("There is no session to end.", code="no_session")
    await end_session(services_of(request).store, actor, session)
    response = Response(status_code=204)
    take_back_session(request, response)
    return response


@router.put(f"{V1}/users/{{user_id}}/password", status_code=204)
async def put_password(
    actor: CurrentUser, request: Request, user_id: UserIdPath, asked: NewPassword
) -> Response:
    """Set a user's password and end its other sessions: one's own, or as an administrator."""
    services, address = services_of(request), address_of(request)
    services.gate.check_sign_in(address, actor.name)
    try:
        await set_password(
            services.store,
            actor,
            services.passwords,
            user_id,
            asked.password,
            present=asked.present,
            kept_session=find_session(request),
        )
    except Forbidden:
        services.gate.count_bad_password(address, actor.name)
        raise
    return Response(status_code=204)


@router.post(f"{V1}/login-links", response_model=wire.LoginLinkShape, status_code=201)
async def add_login_link(actor: CurrentUser, request: Request) -> Response:
    """Make a link that signs a browser in as the caller, once and soon."""
    secret, expires_at = await create_login_link(services_of(request).store, actor)
    shape = wire.LoginLinkShape(path=f"{LINK_PATH}/{secret}", expires_at=expires_at)
    return reply(shape, status=201)


@router.get(f"{LINK_PATH}/{{code}}", response_class=HTMLResponse, responses=PAGE_RESPONSES)
async def show_link(code: CodePath, request: Request) -> Response:
    """Show a button: a program that looks at links beforehand does not use them up."""
    _read_code(code)
    shell = Shell("Sign in", is_signed_in=False)
    return page(services_of(request), "sign_in.html", shell, SignInShown(has_link=True))


@router.post(
    f"{LINK_PATH}/{{code}}", response_class=RedirectResponse, status_code=303, responses=SEE_OTHER
)
async def follow_link(code: CodePath, request: Request) -> Response:
    """Begin a session by a link, which is good no more."""
    services, address = services_of(request), address_of(request)
    services.gate.check_address(address)
    try:
        session = await use_login_link(services.store, NOBODY, _read_code(code))
    except Unauthenticated:
        services.gate.count_bad_token(address)
        raise
    response = RedirectResponse(HERE_AFTERWARDS, status_code=303)
    set_session(request, response, session.secret, limits.SESSION_LIFETIME_S)
    return response


def _read_code(code: str) -> Digest:
    try:
        credential = read_token(code)
    except Unauthenticated:
        raise NotFound("There is no such route.") from None
    if credential.kind is not TokenKind.LINK:
        raise NotFound("There is no such route.")
    return credential.secret_digest


__all__ = ["router"]
