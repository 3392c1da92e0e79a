"""Verifying an export of receipts from its bytes alone.

Whoever made the document may have wanted to deceive, so nothing in it is believed: what it says of
itself is only what the rest is compared with, and findings say where the two part.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice, pairwise
from typing import Any, Final

import rfc8785

from driftpin import limits
from driftpin.chat.receipt_export import FORMAT, VERSION
from driftpin.chat.receipt_key import ALGORITHM, PublicKey, public_key_from_text
from driftpin.chat.receipts import ReceiptEntry, entry_from_json, faults_between
from driftpin.errors import DriftpinError, Malformed
from driftpin.identity import Digest, digest_of

FINDINGS_MAX: Final = 100


class Fault(StrEnum):
    """What can be wrong with an export; those of a chain are told by their own codes."""

    FOREIGN_KEY = "foreign_key"
    NO_SIGNATURE = "no_signature"
    BAD_SIGNATURE = "bad_signature"
    BAD_ENTRY = "bad_entry"
    CHANGED_ENTRY = "changed_entry"
    DROPPED_ENTRY = "dropped_entry"
    SWAPPED_ENTRY = "swapped_entry"
    REPEATED_ENTRY = "repeated_entry"
    ADDED_ENTRY = "added_entry"
    CUT_TAIL = "cut_tail"
    BROKEN_LINK = "broken_link"
    FOREIGN_CHAT = "foreign_chat"
    NO_OUTCOME = "no_outcome"
    NO_REQUEST = "no_request"
    ORDER = "order"


MEANINGS: Final = {
    Fault.FOREIGN_KEY: "signed with another key than the one that was expected",
    Fault.NO_SIGNATURE: "the file ends before its signature",
    Fault.BAD_SIGNATURE: "these are not the bytes that were signed",
    Fault.BAD_ENTRY: "this line is not an entry",
    Fault.CHANGED_ENTRY: "the entry is not what its digest names",
    Fault.DROPPED_ENTRY: "the entry is missing",
    Fault.SWAPPED_ENTRY: "the entry stands behind one that came after it",
    Fault.REPEATED_ENTRY: "the entry stands here twice",
    Fault.ADDED_ENTRY: "the file was made with fewer entries",
    Fault.CUT_TAIL: "every entry behind this one is missing",
    Fault.BROKEN_LINK: "the entry does not name the digest of the one before it",
    Fault.FOREIGN_CHAT: "the entry belongs to another chat",
    Fault.NO_OUTCOME: "the request before this one has no outcome",
    Fault.NO_REQUEST: "the outcome does not follow its own request",
    Fault.ORDER: "the request does not come after the one before it",
}


@dataclass(frozen=True, slots=True)
class ExportFinding:
    """One thing that is wrong. `number` is the entry's, or for `bad_entry` the line's."""

    code: Fault
    number: int | None = None


@dataclass(frozen=True, slots=True)
class CheckedExport:
    """What an export says of itself, whose key signed it, and what is wrong with it."""

    chat_id: str
    exported_at: str
    entries: int
    key: PublicKey
    findings: tuple[ExportFinding, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class _Header:
    chat_id: str
    exported_at: str
    entries: int
    key: PublicKey


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    digest: Digest
    content: dict[str, Any]
    entry: ReceiptEntry


def check_export(content: bytes, *, expected: Digest | None = None) -> CheckedExport:
    """Return what is wrong with an export, at most `FINDINGS_MAX` things.

    `expected` is the fingerprint of the key that it should be signed with; without it anybody's
    signature passes. Raises Malformed `not_an_export` for something else than an export.
    """
    # A last line without its end is the rest of one that was cut in the middle.
    whole, _, rest = content.rpartition(b"\n")
    written = whole.split(b"\n")
    header = _read_header(written[0])
    signature = None if rest or len(written) == 1 else _read_signature(written[-1])
    body = written[1:] if signature is None else written[1:-1]
    lines = [_read_line(line) for line in body]
    found = [line for line in lines if line is not None]
    signed = None if signature is None else content[: len(whole) - len(written[-1])]
    findings = (
        *_faults_of_key(header, signature, signed, expected),
        *(
            ExportFinding(Fault.BAD_ENTRY, index + 2)
            for index, line in enumerate(lines)
            if line is None
        ),
        *_faults_of_numbers([line.number for line in found], header.entries),
        *_faults_of_content(header, found),
    )
    return CheckedExport(
        chat_id=header.chat_id,
        exported_at=header.exported_at,
        entries=len(found),
        key=header.key,
        findings=tuple(islice(findings, FINDINGS_MAX)),
    )


def _faults_of_key(
    header: _Header, signature: bytes | None, signed: bytes | None, expected: Digest | None
) -> Iterator[ExportFinding]:
    if expected is not None and header.key.fingerprint != expected:
        yield ExportFinding(Fault.FOREIGN_KEY)
    if signature is None or signed is None:
        yield ExportFinding(Fault.NO_SIGNATURE)
    elif not header.key.has_signed(signature, signed):
        yield ExportFinding(Fault.BAD_SIGNATURE)


def _faults_of_numbers(numbers: Sequence[int], promised: int) -> Iterator[ExportFinding]:
    """Tell which of the numbers from 1 to `promised` are missing, and which are out of place."""
    highest = max((number for number in numbers if number <= promised), default=0)
    known = set(numbers)
    yield from (
        ExportFinding(Fault.DROPPED_ENTRY, number)
        for number in range(1, highest)
        if number not in known
    )
    seen: set[int] = set()
    last = 0
    for number in numbers:
        if number in seen:
            yield ExportFinding(Fault.REPEATED_ENTRY, number)
        elif number > promised or number < 1:
            yield ExportFinding(Fault.ADDED_ENTRY, number)
        elif number < last:
            yield ExportFinding(Fault.SWAPPED_ENTRY, number)
        seen.add(number)
        last = max(last, number)
    if highest < promised:
        yield ExportFinding(Fault.CUT_TAIL, highest)


def _faults_of_content(header: _Header, lines: Sequence[_Line]) -> Iterator[ExportFinding]:
    """Tell what is wrong with entries and between neighbours; gaps were told by their numbers."""
    for line in lines:
        if digest_of(rfc8785.dumps(line.content)) != line.digest:
            yield ExportFinding(Fault.CHANGED_ENTRY, line.number)
        if line.entry.request.chat_id != header.chat_id:
            yield ExportFinding(Fault.FOREIGN_CHAT, line.number)
    in_order = sorted(lines, key=lambda line: line.number)
    if in_order and in_order[0].number == 1:
        yield from _faults_between(None, in_order[0])
    for before, line in pairwise(in_order):
        if line.number == before.number + 1:
            yield from _faults_between(before, line)


def _faults_between(before: _Line | None, line: _Line) -> Iterator[ExportFinding]:
    if line.entry.previous != (None if before is None else before.digest):
        yield ExportFinding(Fault.BROKEN_LINK, line.number)
    for code in faults_between(None if before is None else before.entry, line.entry):
        yield ExportFinding(Fault(code), line.number)


def _read_header(line: bytes) -> _Header:
    value = _read_object(line)
    match value:
        case {
            "format": str(written),
            "v": int(version),
            "chat_id": str(chat_id),
            "entries": int(entries),
            "exported_at": str(exported_at),
            "key": {"algorithm": str(algorithm), "public": str(public)},
        } if written == FORMAT and 0 <= entries <= limits.RECEIPT_EXPORT_ENTRIES_MAX:
            if version != VERSION or algorithm != ALGORITHM:
                raise Malformed(
                    f"This export is of version {version} with a key of kind {algorithm!r}, which "
                    "this release does not know.",
                    code="not_an_export",
                )
            return _Header(chat_id, exported_at, entries, public_key_from_text(public))
        case _:
            raise Malformed("This is not an export of receipts.", code="not_an_export")


def _read_signature(line: bytes) -> bytes | None:
    match _read_object(line):
        case {"signature": str(written), **others} if not others:
            try:
                return base64.b64decode(written, validate=True)
            except (binascii.Error, ValueError):
                return b""
        case _:
            return None


def _read_line(line: bytes) -> _Line | None:
    match _read_object(line):
        case {"number": int(number), "digest": str(digest), "entry": dict(content)}:
            try:
                rfc8785.dumps(content)
                return _Line(number, Digest(digest), content, entry_from_json(content))
            except (DriftpinError, RecursionError, ValueError):
                return None
        case _:
            return None


def _read_object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (RecursionError, ValueError):
        return None
    return value if isinstance(value, dict) else None


__all__ = [
    "FINDINGS_MAX",
    "MEANINGS",
    "CheckedExport",
    "ExportFinding",
    "Fault",
    "check_export",
]
