"""`driftpin doctor` finds every kind of trouble, says what to do, and fixes what is safe."""

import asyncio
import os
import socket
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from cli.machine import Machine
from driftpin import limits
from driftpin.cli import machine_checks
from driftpin.cli.doctor import check_sqlite_file, judge
from driftpin.cli.doctor_findings import KINDS, Code, Finding
from driftpin.cli.remembered import KnownDirectory, KnownServer, Remembered
from driftpin.client import Client
from driftpin.clock import SystemClock
from driftpin.identity import AgentId, RandomIds, UserId, WorkspaceId
from driftpin.settings import Settings
from driftpin.store.database import Database
from driftpin.store.reading.diagnosis import DatabaseFacts, QuotaUse
from driftpin.store.schema import HEAD
from served import open_site

Findings = Iterable[Finding]
GOOD = DatabaseFacts(HEAD, epoch=1)


def judged(**facts: Any) -> Findings:
    return judge(DatabaseFacts(**{"revision": HEAD, **facts}), "the database")


def database_at(path: Path) -> Database:
    return Database(f"sqlite:///{path}", clock=SystemClock(), ids=RandomIds())


def long_log(directory: Path) -> Findings:
    log = directory / "driftpin.db-wal"
    with log.open("wb") as file:
        file.truncate(limits.WAL_WARNED_BYTES + 1)
    path = directory / "driftpin.db"
    return check_sqlite_file(path, database_at(path), version=(3, 60, 0))


def old_engine(directory: Path) -> Findings:
    path = directory / "driftpin.db"
    return check_sqlite_file(path, database_at(path), version=(3, 40, 1))


def network_disk(directory: Path) -> Findings:
    mounts = directory / "mounts"
    mounts.write_text(f"server:/export {directory} nfs4 rw 0 0\n", encoding="utf-8")
    path = directory / "driftpin.db"
    return check_sqlite_file(path, database_at(path), version=(3, 60, 0), mounts=mounts)


def open_token(directory: Path) -> Findings:
    directory.chmod(0o700)
    (directory / "server.json").write_text("{}", encoding="utf-8")
    (directory / "server.json").chmod(0o644)
    return machine_checks.check_modes(directory, None)


def leftover(directory: Path) -> Findings:
    (directory / ".server.json.abc").write_text("{", encoding="utf-8")
    assert list(machine_checks.check_leftovers(directory)) == []
    return machine_checks.check_leftovers(directory, now_s=time.time() + 7_200)


def taken_port(_: Path) -> Findings:
    with socket.create_server(("127.0.0.1", 0)) as other:
        return list(machine_checks.check_port("127.0.0.1", other.getsockname()[1]))


def silent_server(directory: Path) -> Findings:
    remembered = Remembered(directory)
    remembered.keep_server(KnownServer("http://127.0.0.1:1", "token", UserId("u")))
    return asyncio.run(machine_checks.check_server(Settings(port=0), remembered))


def silent_agent(directory: Path) -> Findings:
    remembered = Remembered(directory)
    remembered.keep_directory(KnownDirectory(directory, WorkspaceId("w"), AgentId("a")))
    return machine_checks.check_agent(directory, remembered)


def low_limits(directory: Path) -> Findings:
    (directory / "max_user_watches").write_text("8", encoding="ascii")
    (directory / "max_user_instances").write_text("128", encoding="ascii")
    return machine_checks.check_watching(directory)


FOUND: dict[Code, Callable[[Path], Findings]] = {
    Code.SCHEMA_OLDER: lambda _: judged(revision="0001"),
    Code.POSTGRES_VERSION: lambda _: judged(settings={"server_version_num": "130011"}),
    Code.POSTGRES_NOT_DURABLE: lambda _: judged(settings={"synchronous_commit": "off"}),
    Code.CLOCK_SKEW: lambda _: judged(skew_s=-9.0),
    Code.GARBAGE_OVERDUE: lambda _: judged(overdue_blobs=3),
    Code.QUOTA_NEAR: lambda _: judged(quota_uses=(QuotaUse("user", "ann", 95, 100),)),
    Code.RESTORED: lambda _: judged(epoch=7),
    Code.DISK_LOW: lambda path: machine_checks.check_disk(path, low_bytes=2**62),
    Code.WAL_LONG: long_log,
    Code.SQLITE_VERSION: old_engine,
    Code.DATABASE_ON_NETWORK: network_disk,
    Code.MODE_OPEN: open_token,
    Code.LEFTOVER_FILE: leftover,
    Code.PORT_IN_USE: taken_port,
    Code.SERVER_SILENT: silent_server,
    Code.AGENT_SILENT: silent_agent,
    Code.WATCH_LIMIT: low_limits,
}
# Found over a whole installation, below.
OF_INSTALLATIONS = {
    Code.DATABASE_MISSING,
    Code.DATABASE_UNREACHABLE,
    Code.SCHEMA_NEWER,
    Code.STORE_DAMAGED,
    Code.SERVER_VERSION,
    Code.RECEIPT_KEY,
}


@pytest.mark.parametrize("code", FOUND, ids=str)
def test_each_kind_of_trouble_is_found_alone(code: Code, tmp_path: Path) -> None:
    assert [finding.code for finding in FOUND[code](tmp_path)] == [code]


def test_every_kind_has_its_test_and_its_page() -> None:
    assert set(FOUND) | OF_INSTALLATIONS == set(Code) == set(KINDS)
    page = Path(__file__).parents[2] / "docs" / "reference" / "doctor.md"
    text = page.read_text(encoding="utf-8")
    assert [code for code in Code if f"| `{code}` | {KINDS[code][0]} |" not in text] == []


def test_a_sound_database_gives_nothing() -> None:
    assert list(judge(GOOD, "the database")) == []


def codes_of(machine: Machine, *arguments: str) -> set[str]:
    told = machine.run("doctor", "--json", *arguments).json["findings"]
    return {finding["code"] for finding in told}


def test_an_installation_that_was_never_started_is_no_trouble(machine: Machine) -> None:
    ended = machine.run("doctor", "--json")
    assert "database_missing" in {finding["code"] for finding in ended.json["findings"]}


def test_a_database_that_is_not_there_or_no_database_is_told(machine: Machine) -> None:
    away = "postgresql://nobody@127.0.0.1:1/none"
    assert "database_unreachable" in codes_of(machine, "--database", away)
    broken = machine.root / "broken.db"
    broken.write_bytes(b"no database at all" * 500)
    assert "store_damaged" in codes_of(machine, "--database", f"sqlite:///{broken}")


def test_a_newer_schema_is_told(machine: Machine, sqlite_template: Path) -> None:
    import shutil
    import sqlite3
    from contextlib import closing

    path = machine.root / "newer.db"
    shutil.copyfile(sqlite_template, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert "schema_newer" in codes_of(machine, "--database", f"sqlite:///{path}")


async def test_a_server_of_another_release_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_checks, "__version__", "0.0.1")
    async with open_site(f"sqlite:///{tmp_path / 'driftpin.db'}") as site:
        remembered = Remembered(tmp_path / "state")
        remembered.keep_server(KnownServer(site.url, site.token, UserId("u")))
        found = await machine_checks.check_server(Settings(), remembered)
    assert [finding.code for finding in found] == [Code.SERVER_VERSION]


async def test_the_key_of_receipts_is_told_as_the_server_tells_it(machine: Machine) -> None:
    async with open_site(f"sqlite:///{machine.root / 'driftpin.db'}") as site:
        async with Client(site.url, site.token) as client:
            told = await client.get_receipt_key()
        arguments = ["doctor", "--json", "--database", f"sqlite:///{machine.root / 'driftpin.db'}"]
        ended = await asyncio.to_thread(machine.run, *arguments)
    found = {finding["code"]: finding for finding in ended.json["findings"]}
    assert found["receipt_key"]["subject"] == told.fingerprint
    assert found["receipt_key"]["severity"] == "info"


def test_what_is_safe_is_fixed(machine: Machine) -> None:
    machine.state.mkdir(mode=0o755)
    token = machine.state / "server.json"
    token.write_text("{}", encoding="utf-8")
    token.chmod(0o644)
    leftover_file = machine.state / ".server.json.abc"
    leftover_file.write_text("{", encoding="utf-8")
    os.utime(leftover_file, (0, 0))
    told = machine.run("doctor", "--fix", "--json").json["findings"]
    fixed = {finding["code"] for finding in told if finding["fixed"]}
    assert fixed == {"mode_open", "leftover_file"}
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE(machine.state.stat().st_mode) == 0o700
    assert not leftover_file.exists()
    assert codes_of(machine) & fixed == set()
