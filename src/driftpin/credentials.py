"""Tokens as people and agents hold them, `dp_u_…` and `dp_a_…`, and what browsers hold.

Behind the prefix stand 32 random bytes and 4 bytes of a checksum over prefix and secret, in
URL-safe Base64. So a token that was cut or mistyped is refused without asking a database, and
scanners can tell ours from other text. Only the SHA-256 of the whole token is stored.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from driftpin.errors import Unauthenticated
from driftpin.identity import Digest, digest_of

SECRET_BYTES: Final = 32
CHECKSUM_BYTES: Final = 4
# 36 bytes are exactly 48 characters: one spelling for one secret.
TOKEN_PATTERN: Final = re.compile(r"(dp_[uasl]_)([A-Za-z0-9_-]{48})")


class TokenKind(StrEnum):
    """Whom a token signs in."""

    USER = "user"
    AGENT = "agent"
    # In a browser's cookie, and in the address that begins such a session: never a bearer token.
    SESSION = "session"
    LINK = "link"


PREFIXES: Final = {
    TokenKind.USER: "dp_u_",
    TokenKind.AGENT: "dp_a_",
    TokenKind.SESSION: "dp_s_",
    TokenKind.LINK: "dp_l_",
}
KINDS: Final = {prefix: kind for kind, prefix in PREFIXES.items()}


@dataclass(frozen=True, slots=True)
class Credential:
    """What is known of a well-formed token: its kind, and the digest that finds it."""

    kind: TokenKind
    secret_digest: Digest


def mint_token(
    kind: TokenKind, random_bytes: Callable[[int], bytes] = secrets.token_bytes
) -> tuple[str, Credential]:
    """Return a fresh token, which is to be shown once, and what is stored of it."""
    prefix = PREFIXES[kind]
    secret = random_bytes(SECRET_BYTES)
    body = base64.urlsafe_b64encode(secret + _checksum(prefix, secret))
    token = prefix + body.decode("ascii")
    return token, Credential(kind, digest_of(token.encode("ascii")))


def read_token(token: str) -> Credential:
    """Return what a token claims to be; nothing is trimmed, and no database is asked.

    Raises Unauthenticated for a wrong shape or checksum, in the words for an unknown token.
    """
    match = TOKEN_PATTERN.fullmatch(token)
    if match is None:
        raise Unauthenticated
    prefix, body = match.groups()
    decoded = base64.urlsafe_b64decode(body)
    if _checksum(prefix, decoded[:SECRET_BYTES]) != decoded[SECRET_BYTES:]:
        raise Unauthenticated
    return Credential(KINDS[prefix], digest_of(token.encode("ascii")))


def _checksum(prefix: str, secret: bytes) -> bytes:
    return hashlib.sha256(prefix.encode("ascii") + secret).digest()[:CHECKSUM_BYTES]


__all__ = ["Credential", "TokenKind", "mint_token", "read_token"]
