"""Opening beneath a handle where the kernel or the tree gets in the way."""

import ctypes
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from driftpin.agent.beneath import (
    HANDLE_FLAGS,
    KernelOpener,
    Opener,
    WalkingOpener,
    detected_opener,
    real_path,
)
from driftpin.limits import LINKS_FOLLOWED_MAX, OPEN_TRIES_MAX

READ = os.O_RDONLY | os.O_CLOEXEC


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    handle = os.open(tmp_path, HANDLE_FLAGS | os.O_DIRECTORY)
    yield handle
    os.close(handle)


@pytest.fixture
def answered_first(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Let the kernel answer its first calls with these errors, and as it does after them."""

    def plant(*numbers: int) -> list[int]:
        waiting = list(numbers)
        ask = ctypes.CDLL(None, use_errno=True).syscall

        def syscall(*arguments: object) -> int:
            if waiting:
                ctypes.set_errno(waiting.pop(0))
                return -1
            return int(ask(*arguments))

        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace(syscall=syscall))
        return waiting

    return plant


def content(opener: Opener, root: int, path: str) -> bytes:
    descriptor = opener.open(root, path, READ)
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


def refused(opener: Opener, root: int, path: str) -> int | None:
    try:
        os.close(opener.open(root, path, READ))
    except OSError as refusal:
        return refusal.errno
    return None


def open_handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_an_open_that_the_kernel_asks_to_repeat_is_repeated(
    root: int, tmp_path: Path, answered_first: Callable[..., list[int]]
) -> None:
    (tmp_path / "file").write_bytes(b"text")
    waiting = answered_first(errno.EAGAIN, errno.EINTR)
    assert content(KernelOpener(), root, "file") == b"text"
    assert waiting == []


def test_an_open_that_is_never_done_is_given_up_with_the_kernels_reason(
    root: int, tmp_path: Path, answered_first: Callable[..., list[int]]
) -> None:
    (tmp_path / "file").write_bytes(b"text")
    waiting = answered_first(*[errno.EAGAIN] * (OPEN_TRIES_MAX + 1))
    assert refused(KernelOpener(), root, "file") == errno.EAGAIN
    assert len(waiting) == 1


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_where_the_kernels_way_is_forbidden_paths_are_walked(
    number: int, answered_first: Callable[..., list[int]]
) -> None:
    answered_first(number)
    assert isinstance(detected_opener(), WalkingOpener)


def test_the_kernels_way_is_taken_where_it_works() -> None:
    assert isinstance(detected_opener(), KernelOpener)


def test_on_another_system_paths_are_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert isinstance(detected_opener(), WalkingOpener)


def test_a_file_whose_place_a_link_takes_while_it_is_opened_is_not_opened(
    root: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"text")
    read_link = os.readlink

    def swap_after_look(path: str, *, dir_fd: int) -> str:
        try:
            return read_link(path, dir_fd=dir_fd)
        finally:
            (tmp_path / "file").unlink()
            (tmp_path / "file").symlink_to("/etc/passwd")

    opened = open_handles()
    monkeypatch.setattr(os, "readlink", swap_after_look)
    with pytest.raises(OSError, match=os.strerror(errno.EAGAIN)):
        WalkingOpener().open(root, "file", HANDLE_FLAGS)
    assert open_handles() == opened


@pytest.mark.parametrize("links", [LINKS_FOLLOWED_MAX, LINKS_FOLLOWED_MAX + 1])
def test_a6_links_are_followed_up_to_the_limit_in_both_ways(
    opener: Opener, root: int, tmp_path: Path, links: int
) -> None:
    (tmp_path / "0").write_bytes(b"text")
    for number in range(links):
        (tmp_path / f"{number + 1}").symlink_to(f"{number}")
    if links == LINKS_FOLLOWED_MAX:
        assert content(opener, root, f"{links}") == b"text"
    else:
        assert refused(opener, root, f"{links}") == errno.ELOOP


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("../out", errno.EXDEV),
        ("folder/../../out", errno.EXDEV),
        ("absolute", errno.EXDEV),
        ("upwards", errno.EXDEV),
        ("missing", errno.ENOENT),
        ("file/below", errno.ENOTDIR),
        ("file\0", errno.ENOENT),
    ],
)
def test_what_leads_outside_or_nowhere_is_refused_alike(
    opener: Opener, root: int, tmp_path: Path, path: str, number: int
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "absolute").symlink_to(tmp_path / "file")
    (tmp_path / "upwards").symlink_to("folder/../../out")
    assert refused(opener, root, path) == number


@pytest.mark.parametrize(
    "path", ["folder/file", "./folder//./file", "folder/../folder/file", "linked/file", "chain"]
)
def test_ways_that_stay_inside_lead_to_the_file(
    opener: Opener, root: int, tmp_path: Path, path: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"text")
    (tmp_path / "linked").symlink_to("folder")
    (tmp_path / "chain").symlink_to("linked/../folder/file")
    assert content(opener, root, path) == b"text"
    assert real_path(root, path) == "folder/file"


@pytest.mark.parametrize(
    ("path", "place"), [(".", ""), ("folder/..", ""), ("folder/", "folder"), ("folder/.", "folder")]
)
def test_a_way_that_ends_in_a_directory_opens_it(
    opener: Opener, root: int, tmp_path: Path, path: str, place: str
) -> None:
    (tmp_path / "folder").mkdir()
    descriptor = opener.open(root, path, HANDLE_FLAGS)
    try:
        assert os.fstat(descriptor).st_ino == (tmp_path / place).stat().st_ino
    finally:
        os.close(descriptor)


def test_nothing_stays_open_after_a_refusal(root: int, tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    before = open_handles()
    for opener in (KernelOpener(), WalkingOpener()):
        for path in ("folder/inner/missing", "folder/inner/../../../out"):
            assert refused(opener, root, path) is not None
    assert open_handles() == before
