"""The fuzz target of paths: no path leads out of a root, while links and files change places."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from driftpin.agent.beneath import (
    DIRECTORY_HANDLE_FLAGS,
    Opener,
    WalkingOpener,
    detected_opener,
    real_path,
)
from driftpin.agent.reading import FileContent, Listing, Reader, Refusal
from driftpin.chat.skill_paths import check_skill_path
from driftpin.errors import DriftpinError
from fuzz.target import Check, Target

OUTSIDE = b"these bytes are outside of every root"
INSIDE = b"inside"
BYTES_MAX = 4_096
WORDS = (
    *(b"/", b"..", b".", b"//", b"../", b"/..", b"\0", b"\\", b" ", b"%2e%2e%2f", b"\xff", b"\n"),
    *(b"swapped", b"inside", b"deep", b"file", b"out", b"up", b"loop", b"root", b"outside"),
    *(b"/etc/passwd", b"/proc/self/root", b"swapped/secret", b"deep/../../outside/secret"),
)


@contextmanager
def roots(_: Check) -> Iterator[Check]:
    """Give a check that reads beneath a root in which a directory is swapped all the time."""
    with tempfile.TemporaryDirectory(prefix="dp-") as place:
        root = _build(Path(place))
        handle = os.open(root, DIRECTORY_HANDLE_FLAGS)
        stopping = threading.Event()
        swapper = threading.Thread(target=_swap, args=(root, stopping))
        swapper.start()
        try:
            openers: list[Opener] = [detected_opener(), WalkingOpener()]
            readers = [Reader(opener) for opener in openers]
            yield lambda content: _check(readers, handle, content)
        finally:
            stopping.set()
            swapper.join()
            os.close(handle)


def _build(place: Path) -> Path:
    root, outside = place / "root", place / "outside"
    (root / "deep" / "deep").mkdir(parents=True)
    (root / "inside").mkdir()
    outside.mkdir()
    (outside / "secret").write_bytes(OUTSIDE)
    (outside / "file").write_bytes(OUTSIDE)
    for directory in (root, root / "deep", root / "inside", root / "deep" / "deep"):
        (directory / "file").write_bytes(INSIDE)
    (root / "out").symlink_to("../outside")
    (root / "up").symlink_to("deep/../inside")
    (root / "loop").symlink_to("loop")
    (root / "absolute").symlink_to(outside)
    (root / "swapped").symlink_to("inside")
    return root


def _swap(root: Path, stopping: threading.Event) -> None:
    """Let one name be in turn a link inside, a link outside and a directory."""
    number = 0
    while not stopping.is_set():
        number += 1
        fresh = root / f".fresh-{number % 2}"
        fresh.symlink_to(("inside", "../outside", "deep/deep")[number % 3])
        fresh.replace(root / "swapped")


def _check(readers: list[Reader], root: int, content: bytes) -> None:
    path = os.fsdecode(content)
    for reader in readers:
        read = reader.read_file(root, path, BYTES_MAX)
        assert isinstance(read, FileContent | Refusal)
        if isinstance(read, FileContent):
            assert read.content == INSIDE, "bytes of outside"
        listed = reader.list_directory(root, path, 100)
        assert isinstance(listed, Refusal) or "secret" not in listed.names
        assert isinstance(listed, Refusal | Listing)
    try:
        resolved = real_path(root, path)
    except OSError:
        resolved = ""
    assert ".." not in resolved.split("/")
    _check_skill_path(path)


def _check_skill_path(path: str) -> None:
    """A path that a model asks for is one of the manifest's, or refused; never anything between."""
    try:
        check_skill_path(path)
    except DriftpinError:
        return
    assert not {"", ".", ".."} & set(path.split("/"))
    assert "\0" not in path
    path.encode("utf-8")


TARGETS = (Target("path_resolve", lambda _: None, WORDS, around=roots),)

__all__ = ["TARGETS"]
