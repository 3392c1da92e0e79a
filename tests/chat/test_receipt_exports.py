"""Exports are verified from their bytes alone; whatever was done to one is told by its name."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785

from driftpin.chat.receipt_check import FINDINGS_MAX, ExportFinding, Fault, check_export
from driftpin.chat.receipt_export import KeptEntry, write_export
from driftpin.chat.receipt_key import (
    ReceiptKey,
    public_key_from_pem,
    public_key_from_text,
)
from driftpin.chat.receipts import digest_of_entry, entry_to_json
from driftpin.errors import Malformed
from driftpin.identity import ChatId, digest_of
from receipt_chains import whole_chain

KEY = ReceiptKey(b"k" * 32)
OTHER_KEY = ReceiptKey(b"o" * 32)
Lines = list[bytes]
ENTRIES = 6


def exported(key: ReceiptKey = KEY) -> bytes:
    kept = [
        KeptEntry(number, digest_of_entry(entry), "2026-01-01T00:00:00Z", entry_to_json(entry))
        for number, entry in enumerate(whole_chain(), start=1)
    ]
    return write_export(ChatId("chat"), kept, key, exported_at="2026-01-02T00:00:00Z")


def told(content: bytes) -> list[tuple[str, int | None]]:
    return [(finding.code.value, finding.number) for finding in check_export(content).findings]


def refused_or_told(content: bytes) -> bool:
    try:
        return not check_export(content).is_whole
    except Malformed as refused:
        return refused.code in {"not_an_export", "bad_receipt_key"}


def edited(line: bytes, **entry: Any) -> bytes:
    """Return a line whose entry says something else, and whose digest is right again."""
    value = json.loads(line)
    value["entry"].update(entry)
    value["digest"] = digest_of(rfc8785.dumps(value["entry"]))
    return rfc8785.dumps(value)


def signed_again(lines: Lines, key: ReceiptKey) -> bytes:
    """Return the lines under a header and a signature of another key."""
    header = json.loads(lines[0])
    header["key"]["public"] = key.public.text
    above = b"\n".join([rfc8785.dumps(header), *lines[1:-2]]) + b"\n"
    signature = base64.b64encode(key.sign(above)).decode()
    return above + rfc8785.dumps({"signature": signature}) + b"\n"


def test_a_whole_export_says_what_it_is_and_has_no_findings() -> None:
    checked = check_export(exported(), expected=KEY.public.fingerprint)
    assert (checked.chat_id, checked.entries, checked.findings) == ("chat", ENTRIES, ())
    assert checked.is_whole
    assert checked.exported_at == "2026-01-02T00:00:00Z"
    assert checked.key == KEY.public


def test_a_chat_without_receipts_exports_a_header_and_a_signature() -> None:
    document = write_export(ChatId("chat"), [], KEY, exported_at="")
    assert document.count(b"\n") == 2
    assert check_export(document).is_whole


def test_the_same_receipts_give_the_same_bytes() -> None:
    assert exported() == exported()


def _cut(lines: Lines) -> Lines:
    return [*lines[:-4], *lines[-2:]]


def _change(lines: Lines) -> Lines:
    lines[2] = lines[2].replace(b'"output_tokens":5', b'"output_tokens":6')
    return lines


def _change_well(lines: Lines) -> Lines:
    lines[2] = edited(lines[2], error_code="no_such_thing")
    return lines


def _swap(lines: Lines) -> Lines:
    lines[3], lines[4] = lines[4], lines[3]
    return lines


def _drop(lines: Lines) -> Lines:
    del lines[3]
    return lines


def _repeat(lines: Lines) -> Lines:
    return [*lines[:3], *lines[2:]]


def _add(lines: Lines) -> Lines:
    more = json.loads(lines[-3])
    more["number"] += 1
    return [*lines[:-2], rfc8785.dumps(more), *lines[-2:]]


def _break(lines: Lines) -> Lines:
    lines[4] = b"{}"
    return lines


def _borrow(lines: Lines) -> Lines:
    lines[-3] = edited(lines[-3], chat_id="another")
    return lines


SIGNATURE = ("bad_signature", None)


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (_cut, [SIGNATURE, ("cut_tail", 4)]),
        (_change, [SIGNATURE, ("changed_entry", 2)]),
        (_change_well, [SIGNATURE, ("broken_link", 3)]),
        (_swap, [SIGNATURE, ("swapped_entry", 3)]),
        (_drop, [SIGNATURE, ("dropped_entry", 3)]),
        (_repeat, [SIGNATURE, ("repeated_entry", 2)]),
        (_add, [SIGNATURE, ("added_entry", 7), ("broken_link", 7), ("no_request", 7)]),
        (_break, [SIGNATURE, ("bad_entry", 5), ("dropped_entry", 4)]),
        (_borrow, [SIGNATURE, ("foreign_chat", 6), ("no_request", 6)]),
    ],
)
def test_whatever_was_done_is_told_with_its_place(
    tamper: Callable[[Lines], Lines], expected: list[tuple[str, int | None]]
) -> None:
    lines = exported().split(b"\n")
    assert told(b"\n".join(tamper(lines))) == expected


def test_a_cut_anywhere_is_found() -> None:
    document = exported()
    header_bytes = document.index(b"\n") + 1
    ends = [place + 1 for place, byte in enumerate(document) if byte == ord("\n")]
    cuts = {*range(header_bytes, len(document), 23), *ends, len(document) - 1}
    for length in sorted(cuts - {len(document)}):
        assert "no_signature" in dict(told(document[:length])), length
    assert told(document + b" ") == [("no_signature", None), ("bad_entry", 8)]


def test_any_changed_byte_is_found() -> None:
    document = bytearray(exported())
    for place in range(0, len(document), 29):
        document[place] ^= 1
        assert refused_or_told(bytes(document)), place
        document[place] ^= 1


def test_another_servers_key_is_told_apart_from_a_broken_signature() -> None:
    ours, theirs = KEY.public.fingerprint, OTHER_KEY.public.fingerprint
    assert check_export(exported(OTHER_KEY), expected=theirs).is_whole
    assert check_export(exported(OTHER_KEY), expected=ours).findings == (
        ExportFinding(Fault.FOREIGN_KEY),
    )


def test_a_rewritten_history_that_was_signed_again_needs_the_key_to_be_found() -> None:
    rewritten = signed_again(_change_well(exported().split(b"\n")), OTHER_KEY)
    assert told(rewritten) == [("broken_link", 3)]
    cut = exported().split(b"\n")
    header = json.loads(cut[0])
    header["entries"] = 4
    shorter = signed_again([rfc8785.dumps(header), *_cut(cut)[1:]], OTHER_KEY)
    assert check_export(shorter).is_whole
    assert check_export(shorter, expected=KEY.public.fingerprint).findings == (
        ExportFinding(Fault.FOREIGN_KEY),
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"not json\n",
        b"[]\n",
        b'{"format":"driftpin-receipts"}\n',
        b"[" * 100_000 + b"\n",
        exported().replace(b'"v":1}\n', b'"v":2}\n', 1),
        exported().replace(b'"entries":6', b'"entries":999999999', 1),
    ],
)
def test_something_else_than_an_export_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        check_export(content)
    assert refused.value.code == "not_an_export"


def test_findings_are_bounded() -> None:
    lines = exported().split(b"\n")
    many = b"\n".join([lines[0], *([b"x"] * (3 * FINDINGS_MAX)), *lines[-2:]])
    assert len(check_export(many).findings) == FINDINGS_MAX


def test_a_key_is_read_again_from_what_it_was_written_as_and_hides_its_seed() -> None:
    public = KEY.public
    assert public_key_from_pem(public.pem.encode()) == public
    assert public_key_from_text(public.text) == public
    assert "kkkk" not in repr(KEY)


@pytest.mark.parametrize("broken", ["", "x", "AAAA", "é"])
def test_something_else_than_a_key_is_refused(broken: str) -> None:
    with pytest.raises(Malformed, match="not the public key"):
        public_key_from_text(broken)
    with pytest.raises(Malformed, match="not the public key"):
        public_key_from_pem(broken.encode())
