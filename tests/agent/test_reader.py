"""What a reader says of files and directories that fail under its hands."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.workspace import CountingRead, ordinary_user
from driftpin.agent.beneath import HANDLE_FLAGS, Opener, WalkingOpener
from driftpin.agent.reading import (
    FileContent,
    FileDigest,
    Listing,
    Reader,
    Refusal,
    refusal_for,
)
from driftpin.agent.roots import RootProblem, open_root
from driftpin.context.resource import Status
from driftpin.identity import digest_of

LACKS = [errno.EMFILE, errno.ENFILE, errno.ENOMEM]


class Growing:
    """Reads a file that grows by a byte before every read."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, descriptor: int, count: int) -> bytes:
        with self._file.open("ab") as growing:
            growing.write(b"+")
        return os.read(descriptor, count)


class Failing:
    """Opens the root's directory for whatever is asked, which is then no directory any more."""

    def open(self, root: int, path: str, flags: int) -> int:
        return os.open(f"/proc/self/fd/{root}/{path}", os.O_RDONLY | os.O_CLOEXEC)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    handle = os.open(tmp_path, HANDLE_FLAGS | os.O_DIRECTORY)
    yield handle
    os.close(handle)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    return file


@pytest.mark.parametrize("number", LACKS)
def test_a_lack_of_descriptors_or_memory_says_nothing_about_a_file(number: int) -> None:
    lack = OSError(number, "lack")
    with pytest.raises(OSError, match="lack") as caught:
        refusal_for(lack)
    assert caught.value is lack


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (errno.EXDEV, "invalid/path_escape"),
        (errno.ELOOP, "unreadable/link_loop"),
        (errno.ENOENT, "unreadable/not_found"),
        (errno.ENOTDIR, "unreadable/not_found"),
        (errno.EACCES, "unreadable/permission"),
        (errno.EPERM, "unreadable/permission"),
        (errno.EISDIR, "invalid/not_regular"),
        (errno.ENXIO, "invalid/not_regular"),
        (errno.EAGAIN, "unreadable/unstable"),
        (errno.ESTALE, "unreadable/unstable"),
        (errno.EIO, "unreadable/io_error"),
        (None, "unreadable/io_error"),
    ],
)
def test_every_error_of_the_file_system_has_one_meaning(number: int | None, outcome: str) -> None:
    refusal = refusal_for(OSError() if number is None else OSError(number, "why"))
    assert f"{refusal.status}/{refusal.reason}" == outcome


def test_a_file_is_read_up_to_the_limit_and_no_further(
    opener: Opener, root: int, file: Path
) -> None:
    reader = Reader(opener)
    content = reader.read_file(root, "file", 5)
    assert isinstance(content, FileContent)
    assert (content.content, content.links, content.key.size_bytes) == (b"12345", 1, 5)
    assert reader.read_file(root, "file", 4) == Refusal(Status.OVERSIZE, "too_large", 5)


def test_a_file_past_its_limit_is_not_read_at_all(opener: Opener, root: int, file: Path) -> None:
    read = CountingRead()
    reader = Reader(opener, read=read)
    reader.read_file(root, "file", 4)
    digest = reader.hash_file(root, "file", 4)
    assert read.calls == 0
    assert isinstance(digest, FileDigest)
    assert digest.digest is None


def test_a_file_is_hashed_up_to_the_limit(opener: Opener, root: int, file: Path) -> None:
    digest = Reader(opener).hash_file(root, "file", 5)
    assert isinstance(digest, FileDigest)
    assert digest.digest == digest_of(b"12345")


def test_a17_a_file_that_grows_past_its_limit_while_it_is_read_is_too_large(
    opener: Opener, root: int, file: Path
) -> None:
    reader = Reader(opener, read=Growing(file))
    assert reader.read_file(root, "file", 5) == Refusal(Status.OVERSIZE, "too_large", 6)
    file.write_bytes(b"12345")
    hashed = reader.hash_file(root, "file", 5)
    assert isinstance(hashed, FileDigest)
    assert (hashed.digest, hashed.key.size_bytes) == (None, 6)


def test_names_are_listed_in_order_up_to_the_limit(
    opener: Opener, root: int, tmp_path: Path
) -> None:
    for name in ("b", "c", "a"):
        (tmp_path / name).touch()
    reader = Reader(opener)
    whole = reader.list_directory(root, "", 3)
    assert isinstance(whole, Listing)
    assert (whole.names, whole.is_cut) == (("a", "b", "c"), False)
    cut = reader.list_directory(root, ".", 2)
    assert isinstance(cut, Listing)
    assert (cut.names, cut.is_cut) == ((), True)


def test_a_directory_that_is_not_there_or_none_any_more_is_a_refusal(
    opener: Opener, root: int, file: Path
) -> None:
    assert Reader(opener).list_directory(root, "missing", 9) == refusal_for(OSError(2, ""))
    assert Reader(opener).list_directory(root, "file", 9) == refusal_for(OSError(20, ""))
    assert Reader(Failing()).list_directory(root, "file", 9) == refusal_for(OSError(20, ""))


@pytest.mark.parametrize(
    ("name", "is_strict", "reason"),
    [("linked", True, "hard_link"), ("linked", False, None), ("file", True, None)],
)
def test_a7_only_a_strict_reader_refuses_a_file_with_two_names(
    root: int, tmp_path: Path, name: str, is_strict: bool, reason: str | None
) -> None:
    (tmp_path / "file").write_bytes(b"own")
    (tmp_path / "first").write_bytes(b"shared")
    (tmp_path / "linked").hardlink_to(tmp_path / "first")
    found = Reader(WalkingOpener(), is_strict=is_strict).read_file(root, name, 99)
    assert (found.reason if isinstance(found, Refusal) else None) == reason
    if isinstance(found, FileContent):
        assert found.links == (2 if name == "linked" else 1)


def test_a_strict_reader_refuses_a_file_of_another_mount(opener: Opener) -> None:
    handle = os.open("/", HANDLE_FLAGS | os.O_DIRECTORY)
    try:
        found = Reader(opener, is_strict=True).read_file(handle, "proc/version", 9_999)
        lax = Reader(opener).read_file(handle, "proc/version", 9_999)
    finally:
        os.close(handle)
    assert isinstance(found, Refusal)
    assert (found.status, found.reason) == (Status.INVALID, "cross_mount")
    assert isinstance(lax, FileContent)
    assert b"Linux" in lax.content


def test_the_key_of_a_path_tells_what_it_leads_to(
    opener: Opener, root: int, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "file").chmod(0o700)
    keys = {each: Reader(opener).stat_key(root, each) for each in ("file", "folder", "link")}
    assert [(key.is_file, key.is_directory, key.is_link) for key in keys.values()] == [
        (True, False, False),
        (False, True, False),
        (True, False, False),
    ]
    assert keys["link"] == keys["file"]
    assert keys["file"].is_executable
    (tmp_path / "file").chmod(0o600)
    assert not Reader(opener).stat_key(root, "file").is_executable


def test_a_root_is_opened_through_no_link_and_says_why_it_is_not(tmp_path: Path) -> None:
    place = tmp_path.resolve()
    (place / "real" / "inner").mkdir(parents=True)
    (place / "linked").symlink_to("real")
    (place / "file").touch()
    handle = open_root(place / "real" / "inner")
    assert not isinstance(handle, RootProblem)
    assert os.fstat(handle).st_ino == (place / "real" / "inner").stat().st_ino
    os.close(handle)
    problems = {
        path: open_root(place / path) for path in ("none", "file", "linked", "linked/inner")
    }
    assert problems == {
        "none": RootProblem.MISSING,
        "file": RootProblem.MISSING,
        "linked": RootProblem.REPLACED,
        "linked/inner": RootProblem.REPLACED,
    }


def test_a_root_that_goes_while_it_is_looked_at_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path.resolve() / "file"
    file.touch()
    look = os.stat

    def look_too_late(path: str, *, dir_fd: int, follow_symlinks: bool) -> os.stat_result:
        file.unlink()
        return look(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "stat", look_too_late)
    assert open_root(file) is RootProblem.MISSING


def test_a20_a_root_that_nobody_may_enter_is_unreadable() -> None:
    with tempfile.TemporaryDirectory() as directory:
        closed = Path(directory).resolve() / "closed"
        (closed / "inner").mkdir(parents=True)
        closed.chmod(0)
        try:
            with ordinary_user(Path(directory), closed):
                assert open_root(closed / "inner") is RootProblem.UNREADABLE
        finally:
            closed.chmod(0o700)


def test_a_lack_of_descriptors_is_no_problem_of_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handles = Path("/proc/self/fd")
    before = len(list(handles.iterdir()))
    opening = os.open

    def open_few(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        if dir_fd is not None:
            raise OSError(errno.EMFILE, "lack")
        return opening(path, flags)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", open_few)
        with pytest.raises(OSError, match="lack"):
            open_root(tmp_path.resolve())
    assert len(list(handles.iterdir())) == before
