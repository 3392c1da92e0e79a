"""The cookie of a browser's session: how it is read, set and taken back."""

from typing import Final

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response

# The first over TLS, where no other site and no plain connection can set it; the second without.
SECURE_COOKIE: Final = "__Host-driftpin"
PLAIN_COOKIE: Final = "driftpin"


def has_session(headers: Headers) -> bool:
    """Whether a request carries a session's cookie, good or not."""
    return bool(_values(headers, SECURE_COOKIE) or _values(headers, PLAIN_COOKIE))


def sent_sessions(connection: HTTPConnection) -> tuple[str, ...]:
    """Return the sessions that a request shows; more than one only of a sender who plays tricks."""
    return _values(connection.headers, _name_for(connection))


def set_session(connection: HTTPConnection, response: Response, secret: str, age_s: int) -> None:
    """Have the browser send the session with what its own pages ask, and with nothing else."""
    response.set_cookie(
        _name_for(connection),
        secret,
        max_age=age_s,
        path="/",
        secure=_is_secure(connection),
        httponly=True,
        samesite="strict",
    )


def take_back_session(connection: HTTPConnection, response: Response) -> None:
    """Have the browser forget the session."""
    set_session(connection, response, "", 0)


def _values(headers: Headers, name: str) -> tuple[str, ...]:
    pairs = (pair.partition("=") for sent in headers.getlist("cookie") for pair in sent.split(";"))
    return tuple(value.strip() for named, _, value in pairs if named.strip() == name)


def _name_for(connection: HTTPConnection) -> str:
    return SECURE_COOKIE if _is_secure(connection) else PLAIN_COOKIE


def _is_secure(connection: HTTPConnection) -> bool:
    return connection.scope["scheme"] in ("https", "wss")


__all__ = ["has_session", "sent_sessions", "set_session", "take_back_session"]
