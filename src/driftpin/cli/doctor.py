"""`driftpin doctor`: what is wrong with this installation, and what to do about it."""

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

from driftpin import limits
from driftpin.chat.receipt_key import ReceiptKey
from driftpin.cli import machine_checks, output
from driftpin.cli.doctor_findings import FIXABLE, Code, Finding, Severity
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.remembered import Remembered
from driftpin.cli.serving import get_database
from driftpin.errors import DriftpinError, UsageError
from driftpin.identity import WORKER
from driftpin.masking import without_password
from driftpin.operations.check_store import check_rows, check_store
from driftpin.operations.diagnose_store import diagnose_store
from driftpin.operations.prepare_deployment import RECEIPT_KEY
from driftpin.server.logs import configure_logs
from driftpin.settings import Settings, load_settings, state_directory
from driftpin.store.database import Database, sqlite_path
from driftpin.store.reading.diagnosis import DatabaseFacts
from driftpin.store.schema import HEAD
from driftpin.store.startup import MOUNTS, refuse_network_file_system, warn_of_engine
from driftpin.store.store import Store
from driftpin.store.wal import wal_bytes

SKEW_MAX_S: Final = 5.0
POSTGRES_MIN: Final = 140_000
FIRST_EPOCH: Final = 1


def doctor(flags: Mapping[str, object], *, is_deep: bool, may_fix: bool, as_json: bool) -> None:
    """Look at everything, fix what is safe if asked, and end with 1 if something is wrong."""
    settings = load_settings(flags).settings
    configure_logs(settings.log_level.value)
    with output.progress("Looking at everything …"):
        findings = asyncio.run(_examine(settings, is_deep=is_deep))
    if may_fix:
        findings = [machine_checks.fix(each) if each.code in FIXABLE else each for each in findings]
    if as_json:
        output.write_json({"findings": [_as_json(each) for each in findings]})
    else:
        _write(findings)
    if any(each.severity is not Severity.INFO and not each.is_fixed for each in findings):
        raise Finished(ExitCode.FINDINGS)


async def _examine(settings: Settings, *, is_deep: bool) -> list[Finding]:
    state = state_directory(settings)
    remembered = Remembered(state)
    database = get_database(settings)
    path = sqlite_path(database.url)
    try:
        stored = await _examine_database(database, settings, is_deep=is_deep)
    finally:
        await database.close()
    return [
        *stored,
        *machine_checks.check_disk(state if path is None else path.parent),
        *machine_checks.check_modes(state, path),
        *machine_checks.check_leftovers(state),
        *await machine_checks.check_server(settings, remembered),
        *machine_checks.check_agent(Path.cwd(), remembered),
        *machine_checks.check_watching(),
    ]


async def _examine_database(
    database: Database, settings: Settings, *, is_deep: bool
) -> list[Finding]:
    shown = without_password(database.url.render_as_string(hide_password=True))
    path = sqlite_path(database.url)
    if path is not None and not path.is_file():
        return [Finding(Code.DATABASE_MISSING, shown, "There is no database yet.")]
    findings = [] if path is None else list(check_sqlite_file(path, database))
    store = Store(database)
    try:
        grace = timedelta(seconds=settings.garbage_grace_s)
        facts = await diagnose_store(store, WORKER, grace=grace)
        findings += judge(facts, shown)
        if facts.revision == HEAD:
            deep = await check_store(store, WORKER) if is_deep else ()
            checked = deep or await check_rows(store, WORKER)
            findings += await _find_receipt_key(store)
            findings += [
                Finding(Code.STORE_DAMAGED, each.subject, f"It breaks the rule {each.rule.value}.")
                for each in checked
            ]
    except UsageError as refusal:
        findings.append(Finding(Code.SCHEMA_NEWER, shown, refusal.message))
    except DriftpinError as refusal:
        code = (
            Code.STORE_DAMAGED if refusal.code == "storage_damaged" else Code.DATABASE_UNREACHABLE
        )
        findings.append(Finding(code, shown, refusal.message))
    return findings


async def _find_receipt_key(store: Store) -> list[Finding]:
    """Tell the fingerprint that a verifier of exports compares; nothing before the first start."""
    seed = await store.get_deployment(WORKER, RECEIPT_KEY)
    if seed is None:
        return []
    fingerprint = ReceiptKey(bytes.fromhex(seed)).public.fingerprint
    return [Finding(Code.RECEIPT_KEY, fingerprint, "Exports of receipts are signed with it.")]


def check_sqlite_file(
    path: Path,
    database: Database,
    *,
    version: tuple[int, ...] = sqlite3.sqlite_version_info,
    mounts: Path = MOUNTS,
) -> Iterator[Finding]:
    """Find what is wrong around an SQLite file: where it lies, its log, and the engine."""
    mounted = mounts.read_text(encoding="utf-8") if mounts.exists() else ""
    try:
        refuse_network_file_system(path.resolve(), mounted)
    except UsageError as refusal:
        yield Finding(Code.DATABASE_ON_NETWORK, str(path), refusal.message)
    length_bytes = wal_bytes(database)
    if length_bytes > limits.WAL_WARNED_BYTES:
        yield Finding(Code.WAL_LONG, str(path), f"Its log has {length_bytes} bytes.")
    for warning in warn_of_engine(version):
        yield Finding(Code.SQLITE_VERSION, "sqlite", warning.message)


def judge(facts: DatabaseFacts, shown: str) -> Iterator[Finding]:
    """Find what is wrong with what a database said of itself."""
    if facts.revision != HEAD:
        told = f"It is at revision {facts.revision}, and this release at {HEAD}."
        yield Finding(Code.SCHEMA_OLDER, shown, told)
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if facts.settings.get(name) == "off":
            yield Finding(Code.POSTGRES_NOT_DURABLE, name, "It is off.")
    if int(facts.settings.get("server_version_num", POSTGRES_MIN)) < POSTGRES_MIN:
        told = f"PostgreSQL says {facts.settings['server_version_num']}."
        yield Finding(Code.POSTGRES_VERSION, shown, told)
    if abs(facts.skew_s) > SKEW_MAX_S:
        told = f"Its clock is {facts.skew_s:+.1f} s from the one of this machine."
        yield Finding(Code.CLOCK_SKEW, shown, told)
    if facts.overdue_blobs:
        told = f"{facts.overdue_blobs} unused blobs are long past their grace."
        yield Finding(Code.GARBAGE_OVERDUE, shown, told)
    for use in facts.quota_uses:
        told = f"{use.used_bytes} of {use.bytes_max} bytes are used."
        yield Finding(Code.QUOTA_NEAR, f"{use.kind} {use.id}", told)
    if facts.epoch > FIRST_EPOCH:
        yield Finding(Code.RESTORED, shown, f"The restore epoch is {facts.epoch}.")


def _write(findings: list[Finding]) -> None:
    if not findings:
        say("healthy: nothing was found.")
        return
    output.write_table(
        ("severity", "code", "subject", "what", "what to do"),
        (
            (
                each.severity,
                each.code,
                each.subject,
                each.message,
                "Fixed." if each.is_fixed else each.advice,
            )
            for each in findings
        ),
    )


def _as_json(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code.value,
        "severity": finding.severity.value,
        "subject": finding.subject,
        "message": finding.message,
        "advice": finding.advice,
        "fixed": finding.is_fixed,
    }


__all__ = ["check_sqlite_file", "doctor", "judge"]
