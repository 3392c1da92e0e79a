"""The file of a lock: never half, never through a link."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from driftpin import limits
from driftpin.cli.lock_file import find_lock_bytes, load_lock, replace_lock
from driftpin.errors import DriftpinError, NotFound, Rejected

OLD, NEW = b"old\n" * 1_000, b"new\n" * 2_000
# The process ends itself in the middle of putting a lock in place, at the named call.
DIES = """
import os, signal, sys
from pathlib import Path
from driftpin.cli import lock_file
def dies(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(Path if sys.argv[1] == "replace" else os, sys.argv[1], dies)
lock_file.replace_lock(Path(sys.argv[2]), b"new\\n" * 2_000)
"""
# No file of this process may grow past a few bytes, as on a disk that is full.
IS_FULL = """
import resource, sys
from pathlib import Path
from driftpin.cli import lock_file
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    lock_file.replace_lock(Path(sys.argv[1]), b"new\\n" * 2_000)
except OSError as failure:
    print(failure.strerror, end="")
"""


@pytest.mark.parametrize("call", ["open", "fdopen", "fsync", "replace"])
def test_a_kill_in_the_middle_leaves_the_old_lock_and_the_next_run_replaces_it(
    call: str, tmp_path: Path
) -> None:
    place = tmp_path / "driftpin.lock"
    place.write_bytes(OLD)
    ended = subprocess.run([sys.executable, "-c", DIES, call, str(place)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert place.read_bytes() == OLD
    assert replace_lock(place, NEW)
    assert place.read_bytes() == NEW


def test_a_failure_in_the_middle_leaves_the_old_lock_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "driftpin.lock"
    place.write_bytes(OLD)
    ended = subprocess.run(
        [sys.executable, "-c", IS_FULL, str(place)], capture_output=True, text=True, check=False
    )
    assert ended.stdout == "File too large"
    assert place.read_bytes() == OLD
    assert [each.name for each in tmp_path.iterdir()] == ["driftpin.lock"]


def test_the_same_bytes_are_not_written_again(tmp_path: Path) -> None:
    place = tmp_path / "driftpin.lock"
    assert replace_lock(place, NEW)
    before = place.stat().st_ino
    assert not replace_lock(place, NEW)
    assert place.stat().st_ino == before


def test_a_lock_can_be_read_by_whoever_may_read_a_checkout(tmp_path: Path) -> None:
    place = tmp_path / "driftpin.lock"
    before = os.umask(0o022)
    try:
        replace_lock(place, NEW)
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o644


def test_links_pipes_and_directories_are_refused_at_once(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_bytes(OLD)
    link, pipe, directory = tmp_path / "link", tmp_path / "pipe", tmp_path / "directory"
    link.symlink_to(target)
    os.mkfifo(pipe)
    directory.mkdir()
    for place in (link, pipe, directory):
        for use in (load_lock, lambda each: replace_lock(each, NEW)):
            with pytest.raises(Rejected) as refused:
                use(place)
            assert refused.value.code == "lock_not_regular"
    assert target.read_bytes() == OLD
    assert link.is_symlink()


def test_a_huge_lock_is_refused_and_never_read_whole(tmp_path: Path) -> None:
    place = tmp_path / "driftpin.lock"
    with place.open("wb") as opened:
        opened.truncate(10 * 1024 * limits.MIB)
    content = find_lock_bytes(place)
    assert content is not None
    assert len(content) == limits.LOCK_BYTES_MAX + 1
    with pytest.raises(DriftpinError) as refused:
        load_lock(place)
    assert refused.value.code == "too_large"


def test_a_refusal_names_the_file_the_code_and_the_place(tmp_path: Path) -> None:
    place = tmp_path / "driftpin.lock"
    with pytest.raises(NotFound) as missing:
        load_lock(place)
    assert missing.value.code == "no_lock"
    place.write_bytes(b'{"driftpin_lock": 1, "scope": "workspace", "resources": {"a": 1}}')
    with pytest.raises(DriftpinError) as refused:
        load_lock(place)
    assert refused.value.message == (
        f"{str(place)!r}: Expected an object. (invalid_request, at /resources/a)"
    )
