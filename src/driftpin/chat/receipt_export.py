"""A chat's receipts in one document that proves itself, without a server: JSON lines.

    {"chat_id": …, "entries": 2, "exported_at": …, "format": "driftpin-receipts", "key": …, "v": 1}
    {"at": …, "digest": "sha256:…", "entry": {…}, "number": 1}
    {"at": …, "digest": "sha256:…", "entry": {…}, "number": 2}
    {"signature": …}

Every line is in the form of RFC 8785. The chain shows an entry that was changed, dropped or moved;
the number of entries and the signature over every byte above it show a tail that was cut off.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import rfc8785

from driftpin.chat.receipt_key import ALGORITHM, ReceiptKey
from driftpin.identity import ChatId, Digest

FORMAT: Final = "driftpin-receipts"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """One entry as the server keeps it; `content` is what its digest is over."""

    number: int
    digest: Digest
    at: str
    content: dict[str, Any]


def write_export(
    chat_id: ChatId, entries: Sequence[KeptEntry], key: ReceiptKey, *, exported_at: str
) -> bytes:
    """Return the signed document; `entries` are all of the chat's, from the first to the last."""
    header = {
        "format": FORMAT,
        "v": VERSION,
        "chat_id": chat_id,
        "entries": len(entries),
        "exported_at": exported_at,
        "key": {"algorithm": ALGORITHM, "public": key.public.text},
    }
    signed = b"".join(_lines(header, entries))
    return signed + _line({"signature": base64.b64encode(key.sign(signed)).decode()})


def _lines(header: dict[str, Any], entries: Sequence[KeptEntry]) -> Iterator[bytes]:
    yield _line(header)
    for kept in entries:
        yield _line(
            {
                "number": kept.number,
                "digest": kept.digest,
                "at": kept.at,
                "entry": kept.content,
            }
        )


def _line(value: dict[str, Any]) -> bytes:
    return rfc8785.dumps(value) + b"\n"


__all__ = ["FORMAT", "VERSION", "KeptEntry", "write_export"]
