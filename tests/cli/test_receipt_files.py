"""Verifying a file of receipts: what is said to people and programs, and how it ends."""

import json
from pathlib import Path

import pytest

from driftpin.chat.receipt_export import KeptEntry, write_export
from driftpin.chat.receipt_key import ReceiptKey
from driftpin.chat.receipts import digest_of_entry, entry_to_json
from driftpin.cli.app import run
from driftpin.identity import ChatId
from receipt_chains import whole_chain

KEY = ReceiptKey(b"k" * 32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    kept = [
        KeptEntry(number, digest_of_entry(entry), "2026-01-01T00:00:00Z", entry_to_json(entry))
        for number, entry in enumerate(whole_chain(), start=1)
    ]
    written = tmp_path / "receipts.jsonl"
    written.write_bytes(write_export(ChatId("chat"), kept, KEY, exported_at="then"))
    return written


def test_a_whole_file_is_told_whole_and_that_nobody_compared_its_key(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["receipts", "verify", str(file)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "6 entries of chat chat, exported then: whole" in said.err
    assert f"{KEY.public.fingerprint} (not compared" in said.err


@pytest.mark.parametrize("prefix", ["sha256:", ""])
def test_a_fingerprint_is_taken_with_and_without_its_prefix(
    file: Path, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fingerprint = prefix + KEY.public.fingerprint.removeprefix("sha256:")
    assert run(["receipts", "verify", str(file), "--key", fingerprint, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["is_whole"], told["is_key_compared"], told["entries"]) == (True, True, 6)


def test_a_cut_tail_is_a_finding_with_its_place(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:5], lines[-1]]))
    assert run(["receipts", "verify", str(file), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [(each["code"], each["number"]) for each in found] == [
        ("bad_signature", None),
        ("cut_tail", 4),
    ]


def test_what_cannot_be_compared_is_a_wrong_use(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key_file = tmp_path / "key.pem"
    key_file.write_text(KEY.public.pem, encoding="utf-8")
    verify = ["receipts", "verify"]
    assert run([*verify, str(key_file)]) == 2
    assert run([*verify, str(tmp_path / "none")]) == 2
    assert run([*verify, str(file), "--key", "abc"]) == 2
    assert run([*verify, str(file), "--key-file", str(file)]) == 2
    assert run([*verify, str(file), "--key", "0" * 64, "--key-file", str(key_file)]) == 2
    assert "not an export" in capsys.readouterr().err
