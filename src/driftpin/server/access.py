"""Who calls: a bearer token or a session becomes an actor, or the call ends here.

A credential is looked up only when its shape and checksum are right, and exactly as it was sent.
"""

import re
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import HTTPConnection

from driftpin.credentials import TokenKind, read_token
from driftpin.errors import Forbidden, Malformed, Unauthenticated
from driftpin.identity import NOBODY, Actor, ActorKind, Digest
from driftpin.server.cookies import sent_sessions
from driftpin.server.page_guard import check_listening_page
from driftpin.server.services import services_of

SCHEME: Final = "bearer "
TOKEN_IN_URL: Final = re.compile(r"(?:^|[&;])(?:access_|auth_)?token=|dp_[uasl]_", re.IGNORECASE)
BEARER_KINDS: Final = frozenset({TokenKind.USER, TokenKind.AGENT})
BROWSER_KINDS: Final = frozenset({TokenKind.SESSION})


async def resolve_caller(connection: HTTPConnection) -> Actor:
    """Return who calls.

    Raises Malformed (`token_in_url`, `ambiguous_auth`), Unauthenticated in the same words for
    every credential that is not good, RateLimited for an address that sent too many such, and Gone
    for a token of a deleted agent.
    """
    return await _resolve(connection, partial(services_of(connection).store.resolve_token, NOBODY))


async def recheck_caller(connection: HTTPConnection) -> Actor:
    """Return who listens still, for one of many streams; raises what `resolve_caller` raises."""
    return await _resolve(connection, services_of(connection).listeners.resolve)


async def _resolve(
    connection: HTTPConnection, sign_in: Callable[[Digest], Awaitable[Actor]]
) -> Actor:
    if TOKEN_IN_URL.search(connection.url.query):
        raise Malformed("A token never stands in a URL; send it as a header.", code="token_in_url")
    secret, kinds = _sent_credential(connection)
    address, gate = address_of(connection), services_of(connection).gate
    try:
        secret_digest = _digest_of(secret, kinds)
    except Unauthenticated:
        gate.count_bad_token(address)
        raise
    gate.check_address(address, secret_digest)
    try:
        actor = await sign_in(secret_digest)
    except Unauthenticated:
        gate.count_bad_token(address, secret_digest)
        raise
    gate.remember_good_token(secret_digest)
    return actor


def find_session(connection: HTTPConnection) -> Digest | None:
    """Return the digest of the session that a request came with; None if it came otherwise."""
    secret, kinds = _sent_credential(connection)
    return _digest_of(secret, kinds) if kinds is BROWSER_KINDS else None


def address_of(connection: HTTPConnection) -> str:
    """Return where a request comes from; empty where nobody knows."""
    return connection.client.host if connection.client else ""


def secret_digest_of(connection: HTTPConnection) -> Digest:
    """Return what the credential of an admitted caller is looked up by."""
    return _digest_of(*_sent_credential(connection))


def _sent_credential(connection: HTTPConnection) -> tuple[str, Collection[TokenKind]]:
    """Return the one credential of a request, and the kinds of token that it may be."""
    tokens = connection.headers.getlist("authorization")
    sessions = sent_sessions(connection)
    if not tokens and not sessions:
        raise Unauthenticated
    if len(tokens) + len(sessions) > 1 or (tokens and "," in tokens[0]):
        raise Malformed("Send one credential.", code="ambiguous_auth")
    if sessions:
        return sessions[0], BROWSER_KINDS
    sent = tokens[0]
    if sent[: len(SCHEME)].lower() != SCHEME:
        raise Unauthenticated
    return sent[len(SCHEME) :], BEARER_KINDS


def _digest_of(secret: str, kinds: Collection[TokenKind]) -> Digest:
    credential = read_token(secret)
    if credential.kind not in kinds:
        raise Unauthenticated
    return credential.secret_digest


async def _user(connection: HTTPConnection) -> Actor:
    return await _of_kind(connection, ActorKind.USER)


async def _listener(connection: HTTPConnection) -> Actor:
    check_listening_page(connection.headers)
    return await _user(connection)


async def _agent(connection: HTTPConnection) -> Actor:
    return await _of_kind(connection, ActorKind.AGENT)


async def _of_kind(connection: HTTPConnection, kind: ActorKind) -> Actor:
    actor = await resolve_caller(connection)
    if actor.kind is not kind:
        raise Forbidden(f"This call takes the token of {kind}s.", code="wrong_token_type")
    services_of(connection).gate.count_call(actor)
    return actor


CurrentUser = Annotated[Actor, Depends(_user)]
CurrentListener = Annotated[Actor, Depends(_listener)]
CurrentAgent = Annotated[Actor, Depends(_agent)]

__all__ = [
    "CurrentAgent",
    "CurrentListener",
    "CurrentUser",
    "address_of",
    "find_session",
    "recheck_caller",
    "resolve_caller",
    "secret_digest_of",
]
