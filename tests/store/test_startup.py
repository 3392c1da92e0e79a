import os
import subprocess
import sys
from pathlib import Path

import pytest

from driftpin.errors import UsageError
from driftpin.store.database import Database
from driftpin.store.startup import (
    check_storage,
    lock_database,
    refuse_network_file_system,
    warn_of_engine,
)

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export /home nfs4 rw 0 0
/dev/sdb1 /home/local ext4 rw 0 0
//nas/share /mnt/my\\040files cifs rw 0 0
"""

HOLD = """
import sys
from driftpin.clock import SystemClock
from driftpin.identity import RandomIds
from driftpin.store.database import Database
from driftpin.store.startup import lock_database
lock = lock_database(Database(sys.argv[1], clock=SystemClock(), ids=RandomIds()))
print("locked", flush=True)
sys.stdin.read()
"""


async def test_both_engines_are_fit_for_use(database: Database) -> None:
    codes = {warning.code for warning in await check_storage(database)}
    assert codes <= {"sqlite_version"}


@pytest.mark.parametrize("version", [(3, 7, 0), (3, 40, 1), (3, 51, 2)])
def test_a_defective_engine_is_warned_of(version: tuple[int, ...]) -> None:
    (warning,) = warn_of_engine(version)
    assert warning.code == "sqlite_version"
    assert ".".join(map(str, version)) in warning.message


@pytest.mark.parametrize("version", [(3, 6, 23), (3, 51, 3), (4, 0, 0)])
def test_a_sound_engine_is_not_warned_of(version: tuple[int, ...]) -> None:
    assert warn_of_engine(version) == ()


@pytest.mark.parametrize("path", ["/home/me/driftpin.db", "/mnt/my files/driftpin.db"])
def test_a_network_file_system_is_refused(path: str) -> None:
    with pytest.raises(UsageError) as refusal:
        refuse_network_file_system(Path(path), MOUNTS)
    assert refusal.value.code == "database_on_network"


@pytest.mark.parametrize("path", ["/var/driftpin.db", "/home/local/driftpin.db"])
def test_a_local_file_system_is_accepted(path: str) -> None:
    refuse_network_file_system(Path(path), MOUNTS)


def test_nothing_is_refused_where_mounts_are_not_told() -> None:
    refuse_network_file_system(Path("/home/me/driftpin.db"), "")


async def test_storage_that_forgets_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftpin.store.startup.SYNCHRONOUS_FULL", 3)
    if lock_database(database) is None:
        assert await check_storage(database) == ()
        return
    with pytest.raises(UsageError) as refusal:
        await check_storage(database)
    assert refusal.value.code == "database_unsafe"


def test_a_second_server_process_is_refused_until_the_first_one_ends(
    database: Database, database_url: str
) -> None:
    if not database_url.startswith("sqlite"):
        assert lock_database(database) is None
        return
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, database_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        assert first.stdout.readline() == "locked\n"
        with pytest.raises(UsageError, match=str(first.pid)) as refusal:
            lock_database(database)
        assert refusal.value.code == "database_in_use"
        first.stdin.close()
        assert first.wait(timeout=5) == 0
    lock = lock_database(database)
    assert lock is not None
    lock.release()
    lock.release()
    again = lock_database(database)
    assert again is not None
    again.release()


def test_the_lock_file_names_its_process(database: Database, database_url: str) -> None:
    lock = lock_database(database)
    if lock is not None:
        path = Path(database_url.removeprefix("sqlite:///") + ".lock")
        assert path.read_text(encoding="ascii") == f"{os.getpid()}\n"
        lock.release()
