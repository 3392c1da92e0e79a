"""Who calls: a bearer token becomes an actor, or the call ends here.

A token is looked up only when its shape and checksum are right, and exactly as it was sent.
"""

import re
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import HTTPConnection

from driftpin.credentials import read_token
from driftpin.errors import Forbidden, Malformed, Unauthenticated
from driftpin.identity import NOBODY, Actor, ActorKind, Digest
from driftpin.server.services import services_of

SCHEME: Final = "bearer "
TOKEN_IN_URL: Final = re.compile(r"(?:^|[&;])(?:access_|auth_)?token=|dp_[ua]_", re.IGNORECASE)


async def resolve_caller(connection: HTTPConnection) -> Actor:
    """Return who calls.

    Raises Malformed (`token_in_url`, `ambiguous_auth`), Unauthenticated in the same words for
    every token that is not good, RateLimited for an address that sent too many such, and Gone for a
    token of a deleted agent.
    """
    if TOKEN_IN_URL.search(connection.url.query):
        raise Malformed("A token never stands in a URL; send it as a header.", code="token_in_url")
    secret, gate, address = (
        _bearer_token(connection),
        services_of(connection).gate,
        address_of(connection),
    )
    try:
        secret_digest = read_token(secret).secret_digest
    except Unauthenticated:
        gate.count_bad_token(address)
        raise
    gate.check_address(address, secret_digest)
    try:
        actor = await services_of(connection).store.resolve_token(NOBODY, secret_digest)
    except Unauthenticated:
        gate.count_bad_token(address, secret_digest)
        raise
    gate.remember_good_token(secret_digest)
    return actor


def address_of(connection: HTTPConnection) -> str:
    """Return where a request comes from; empty where nobody knows."""
    return connection.client.host if connection.client else ""


def secret_digest_of(connection: HTTPConnection) -> Digest:
    """Return what the token of an admitted caller is looked up by."""
    return read_token(_bearer_token(connection)).secret_digest


def _bearer_token(connection: HTTPConnection) -> str:
    credentials = connection.headers.getlist("authorization")
    if not credentials:
        raise Unauthenticated
    if len(credentials) > 1 or "," in credentials[0]:
        raise Malformed("Send one credential.", code="ambiguous_auth")
    sent = credentials[0]
    if sent[: len(SCHEME)].lower() != SCHEME:
        raise Unauthenticated
    return sent[len(SCHEME) :]


async def _user(connection: HTTPConnection) -> Actor:
    return await _of_kind(connection, ActorKind.USER)


async def _agent(connection: HTTPConnection) -> Actor:
    return await _of_kind(connection, ActorKind.AGENT)


async def _of_kind(connection: HTTPConnection, kind: ActorKind) -> Actor:
    actor = await resolve_caller(connection)
    if actor.kind is not kind:
        raise Forbidden(f"This call takes the token of {kind}s.", code="wrong_token_type")
    services_of(connection).gate.count_call(actor)
    return actor


CurrentUser = Annotated[Actor, Depends(_user)]
CurrentAgent = Annotated[Actor, Depends(_agent)]

__all__ = [
    "CurrentAgent",
    "CurrentUser",
    "address_of",
    "resolve_caller",
    "secret_digest_of",
]
