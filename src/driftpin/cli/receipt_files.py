"""`driftpin receipts`: exports, written to a file and verified from one."""

import sys
from pathlib import Path

from driftpin import limits
from driftpin.chat.receipt_check import MEANINGS, CheckedExport, ExportFinding, Fault, check_export
from driftpin.chat.receipt_key import public_key_from_pem
from driftpin.cli import output
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.options import Reach
from driftpin.cli.session import Session, in_session
from driftpin.errors import TooLarge, UsageError
from driftpin.identity import DIGEST_PREFIX, Digest, is_digest
from driftpin.wire.receipts import ReceiptKeyShape

KEY_FILE_BYTES_MAX = limits.KIB


def export(reach: Reach, name: str, target: Path | None) -> None:
    """Write a chat's receipts to a file, or to the standard output."""

    async def read(session: Session) -> bytes:
        chat = await session.get_chat(name)
        return await session.client.export_receipts(chat.id)

    with output.progress("Fetching the receipts …"):
        document = in_session(reach, read)
    if target is None:
        sys.stdout.buffer.write(document)
        sys.stdout.buffer.flush()
        return
    target.write_bytes(document)
    # The header and the signature are no entries.
    entries = document.count(b"\n") - 2
    say(f"{entries} entries of receipts in {str(target)!r}.")


def show_key(reach: Reach, *, as_json: bool) -> None:
    """Write the server's public key."""

    async def read(session: Session) -> ReceiptKeyShape:
        return await session.client.get_receipt_key()

    key = in_session(reach, read)
    if as_json:
        output.write_json(key)
        return
    sys.stdout.write(key.pem)
    say(f"fingerprint {key.fingerprint}")


def verify(file: Path, key: str | None, key_file: Path | None, *, as_json: bool) -> None:
    """Verify an export, and end with findings where anything is wrong with it."""
    expected = _expected(key, key_file)
    checked = check_export(_read(file, limits.RECEIPT_EXPORT_BYTES_MAX), expected=expected)
    if as_json:
        output.write_json(_as_json(checked, is_compared=expected is not None))
    else:
        _tell(checked, is_compared=expected is not None)
    if not checked.is_whole:
        raise Finished(ExitCode.FINDINGS)


def _expected(key: str | None, key_file: Path | None) -> Digest | None:
    if key is not None and key_file is not None:
        raise UsageError("Give --key or --key-file, not both.", code="usage")
    if key_file is not None:
        return public_key_from_pem(_read(key_file, KEY_FILE_BYTES_MAX)).fingerprint
    if key is None:
        return None
    fingerprint = key if key.startswith(DIGEST_PREFIX) else f"{DIGEST_PREFIX}{key}"
    if not is_digest(fingerprint):
        raise UsageError(f"{key!r} is not a fingerprint; `driftpin receipts key` shows it.")
    return Digest(fingerprint)


def _read(file: Path, bytes_max: int) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise TooLarge(f"{str(file)!r} has more than {bytes_max} bytes.")
    return content


def _as_json(checked: CheckedExport, *, is_compared: bool) -> dict[str, object]:
    return {
        "chat_id": checked.chat_id,
        "exported_at": checked.exported_at,
        "entries": checked.entries,
        "fingerprint": checked.key.fingerprint,
        "is_key_compared": is_compared,
        "is_whole": checked.is_whole,
        "findings": [
            {"code": finding.code.value, "number": finding.number, "text": MEANINGS[finding.code]}
            for finding in checked.findings
        ],
    }


def _tell(checked: CheckedExport, *, is_compared: bool) -> None:
    if checked.findings:
        output.write_table(("finding", "where", "what"), map(_row, checked.findings))
    state = "whole" if checked.is_whole else f"NOT whole ({len(checked.findings)} findings)"
    made = f"exported {checked.exported_at}"
    say(f"{checked.entries} entries of chat {checked.chat_id}, {made}: {state}")
    note = "" if is_compared else " (not compared: give --key or --key-file)"
    say(f"signed with {checked.key.fingerprint}{note}")


def _row(finding: ExportFinding) -> tuple[str, str | None, str]:
    what = "line" if finding.code is Fault.BAD_ENTRY else "entry"
    where = None if finding.number is None else f"{what} {finding.number}"
    return finding.code.value, where, MEANINGS[finding.code]


__all__ = ["export", "show_key", "verify"]
