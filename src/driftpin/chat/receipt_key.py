"""The key that signs exports of receipts: Ed25519, so that its public half is enough to verify.

A secret that both sides know would prove nothing to a stranger, who would need it and could then
sign too. `cryptography` comes with the MCP SDK, so no installation grows by it.
"""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from driftpin.errors import Malformed
from driftpin.identity import Digest, digest_of

ALGORITHM: Final = "ed25519"
SEED_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half that is shown: 32 bytes."""

    raw: bytes

    @property
    def fingerprint(self) -> Digest:
        """The SHA-256 of the key's SubjectPublicKeyInfo, as other tools compute it too."""
        return digest_of(self._key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @property
    def text(self) -> str:
        """The key in base64."""
        return base64.b64encode(self.raw).decode()

    @property
    def pem(self) -> str:
        """The key as a PEM block, which other tools read."""
        return (
            self._key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode("ascii")
        )

    def has_signed(self, signature: bytes, content: bytes) -> bool:
        """Whether `signature` was made over exactly `content` with this key's other half."""
        try:
            self._key().verify(signature, content)
        except InvalidSignature:
            return False
        return True

    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.raw)


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """The half that signs; it never leaves the server but in a backup."""

    seed: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The half that is shown."""
        return PublicKey(self._key().public_key().public_bytes_raw())

    def sign(self, content: bytes) -> bytes:
        """Return the signature over `content`."""
        return self._key().sign(content)

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def public_key_from_text(text: str) -> PublicKey:
    """Return the key that `PublicKey.text` wrote, or raise Malformed `bad_receipt_key`."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _bad_key() from error
    if len(raw) != SEED_BYTES:
        raise _bad_key()
    return PublicKey(raw)


def public_key_from_pem(content: bytes) -> PublicKey:
    """Return the key in a PEM block, or raise Malformed `bad_receipt_key`."""
    try:
        key = load_pem_public_key(content)
    except ValueError as error:
        raise _bad_key() from error
    if not isinstance(key, Ed25519PublicKey):
        raise _bad_key()
    return PublicKey(key.public_bytes_raw())


def _bad_key() -> Malformed:
    return Malformed("This is not the public key of a server's receipts.", code="bad_receipt_key")


__all__ = [
    "ALGORITHM",
    "SEED_BYTES",
    "PublicKey",
    "ReceiptKey",
    "public_key_from_pem",
    "public_key_from_text",
]
