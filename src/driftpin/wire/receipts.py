"""Shapes of receipts: one turn's entries, and the key that signs exports."""

from typing import Literal

from pydantic import JsonValue

from driftpin.wire.shape import DigestText, IdText, InstantText, ReplyShape


class ReceiptEntryShape(ReplyShape):
    """One of the two chained entries of a model request."""

    number: int
    turn: int
    digest: DigestText
    previous_digest: DigestText | None
    content: dict[str, JsonValue]
    at: InstantText


class ReceiptShape(ReplyShape):
    """The receipt of one turn.

    `prompt` is the rendered prefix of its first request when it was asked for, and null where it
    cannot be shown any more: `prompt_missing` says why.
    """

    chat_id: IdText
    turn: int
    entries: tuple[ReceiptEntryShape, ...]
    is_chain_whole: bool
    prompt: str | None
    prompt_missing: Literal["snapshot_expired", "renderer_changed", "digest_mismatch"] | None = None


class ReceiptKeyShape(ReplyShape):
    """The public half of the key that signs exports of receipts, in base64 and as a PEM block.

    `fingerprint` is the SHA-256 of its SubjectPublicKeyInfo.
    """

    algorithm: Literal["ed25519"]
    public: str
    pem: str
    fingerprint: DigestText


__all__ = ["ReceiptEntryShape", "ReceiptKeyShape", "ReceiptShape"]
