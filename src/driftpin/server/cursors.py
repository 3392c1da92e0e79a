"""Opaque cursors: sealed, so that nobody can alter one, or read in it how much others do.

A cursor is encrypted and authenticated with a key of the deployment, by a synthetic initialisation
vector made of HMAC-SHA256 (the construction of RFC 5297, with HMAC in place of AES). It is bound to
its purpose: what was given out for one list is refused by another.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from driftpin.clock import Clock
from driftpin.errors import Gone, Malformed
from driftpin.events.event import Position
from driftpin.store.event_order import resync_required

VECTOR_BYTES: Final = 16
CURSOR_CHARACTERS_MAX: Final = 1_024
PAGE_CURSOR_LIFETIME: Final = timedelta(hours=24)
PAGE_HEAD: Final = struct.Struct(">QQ")
EVENT_CURSOR: Final = struct.Struct(">QQQ")
EVENTS: Final = "events"


class BadSeal(ValueError):
    """A text that this deployment did not seal for this purpose."""


class Sealer:
    """Seals short texts with a key of the deployment."""

    def __init__(self, key: bytes) -> None:
        """Derive one key for the vector and one for the stream from `key`."""
        self._vector_key = hmac.digest(key, b"cursor vector", hashlib.sha256)
        self._stream_key = hmac.digest(key, b"cursor stream", hashlib.sha256)

    def seal(self, purpose: str, content: bytes) -> str:
        """Return a text for a URL or a header that only `unseal` with the same purpose reads."""
        vector = self._vector(purpose, content)
        sealed = vector + self._masked(vector, content)
        return _written(sealed)

    def unseal(self, purpose: str, text: str) -> bytes:
        """Return what was sealed; raises BadSeal for anything else."""
        if len(text) > CURSOR_CHARACTERS_MAX or not text.isascii():
            raise BadSeal
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            raise BadSeal from None
        if _written(sealed) != text:
            # The last letter of a text may carry bits that stand for nothing.
            raise BadSeal
        vector, masked = sealed[:VECTOR_BYTES], sealed[VECTOR_BYTES:]
        content = self._masked(vector, masked)
        if not hmac.compare_digest(vector, self._vector(purpose, content)):
            raise BadSeal
        return content

    def _vector(self, purpose: str, content: bytes) -> bytes:
        named = purpose.encode("utf-8") + b"\0" + content
        return hmac.digest(self._vector_key, named, hashlib.sha256)[:VECTOR_BYTES]

    def _masked(self, vector: bytes, content: bytes) -> bytes:
        stream = b"".join(
            hmac.digest(self._stream_key, vector + bytes([block]), hashlib.sha256)
            for block in range(-(-len(content) // 32))
        )
        return bytes(left ^ right for left, right in zip(content, stream, strict=False))


def _written(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode("ascii").rstrip("=")


@dataclass(slots=True)
class Cursors:
    """Page cursors and event cursors of one deployment; `epoch` rises with every restore."""

    sealer: Sealer
    clock: Clock
    epoch: int

    def write_page(self, purpose: str, after: str | None) -> str | None:
        """Return the cursor of the next page, None when there is none."""
        if after is None:
            return None
        head = PAGE_HEAD.pack(self.epoch, int(self.clock.now().timestamp()))
        return self.sealer.seal(purpose, head + after.encode("utf-8"))

    def read_page(self, purpose: str, cursor: str | None) -> str | None:
        """Return what the store continues behind.

        Raises Malformed (`bad_cursor`) for one that was altered or is of another list, and Gone
        (`cursor_expired`) for one that is too old or from before a restore.
        """
        if cursor is None:
            return None
        try:
            content = self.sealer.unseal(purpose, cursor)
        except BadSeal:
            raise Malformed(
                "This cursor is not of this list; begin at its first page.", code="bad_cursor"
            ) from None
        epoch, issued_at = PAGE_HEAD.unpack(content[: PAGE_HEAD.size])
        if epoch != self.epoch or datetime.fromtimestamp(issued_at, self.clock.now().tzinfo) < (
            self.clock.now() - PAGE_CURSOR_LIFETIME
        ):
            raise Gone("This cursor is too old; begin at the first page.", code="cursor_expired")
        return content[PAGE_HEAD.size :].decode("utf-8")

    def write_event(self, position: Position) -> str:
        """Return the cursor behind an event."""
        content = EVENT_CURSOR.pack(self.epoch, position.transaction_id, position.number)
        return self.sealer.seal(EVENTS, content)

    def read_event(self, cursor: str) -> Position:
        """Return the position behind which a stream goes on.

        Raises Malformed (`bad_cursor`), and Gone (`resync_required`) for a cursor from before a
        restore.
        """
        try:
            content = self.sealer.unseal(EVENTS, cursor)
        except BadSeal:
            raise Malformed(
                "This cursor was not given out here; read everything again and begin without one.",
                code="bad_cursor",
            ) from None
        epoch, transaction_id, number = EVENT_CURSOR.unpack(content)
        if epoch != self.epoch:
            raise resync_required()
        return Position(transaction_id, number)


__all__ = ["BadSeal", "Cursors", "Sealer"]
