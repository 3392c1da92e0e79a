"""Paths that are resolved while somebody swaps files, links and directories as fast as it goes.

What is outside the root has bytes and names that nothing inside has. Whatever the moment, no read,
no listing, no pass and no refusal may show any of them.
"""

import multiprocessing
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from driftpin.agent.beneath import KernelOpener, Opener, WalkingOpener
from driftpin.agent.file_blobs import FileBlobs
from driftpin.agent.reading import FileContent, Listing, Reader
from driftpin.agent.report import scan_to_json
from driftpin.agent.resolve import Resolver
from driftpin.agent.roots import RootProblem, list_roots, open_root
from outcome import Outcome

SECRET = "outside-5ec2e7"
SKILL = "---\nname: tidy\ndescription: Tidies\n---\n"
BYTES_MAX = 65_536
PATHS = (
    "AGENTS.md",
    "skills/tidy/SKILL.md",
    "skills/tidy/deep/notes.txt",
    "skills/tidy/../tidy/SKILL.md",
    "skills/../../outside/AGENTS.md",
)
DIRECTORIES = ("", "skills", "skills/tidy", "skills/tidy/deep")
# Of so many resolves one is a whole pass over the root.
PASS_EVERY = 200


def make_tree(root: Path, mark: str) -> None:
    """Make a workspace whose every byte, and every name of its own, has the mark in it."""
    deep = root / "skills" / "tidy" / "deep"
    deep.mkdir(parents=True)
    (root / "AGENTS.md").write_text(mark, encoding="utf-8")
    (root / "skills" / "tidy" / "SKILL.md").write_text(SKILL + mark, encoding="utf-8")
    (deep / "notes.txt").write_text(mark, encoding="utf-8")
    for directory in (root, root / "skills", root / "skills" / "tidy", deep):
        (directory / f"{mark}.txt").write_text(mark, encoding="utf-8")


@dataclass(slots=True)
class Swapper:
    """Swaps places inside the root for links to the same places outside, and back."""

    root: Path
    outside: Path
    draw: random.Random

    def swap(self) -> None:
        """Swap something for something else for a moment; the tree is whole again afterwards."""
        place, put = self.draw.choice(
            [
                ("AGENTS.md", self._link),
                ("AGENTS.md", self._directory),
                ("skills", self._link),
                ("skills", self._relative_link),
                ("skills/tidy", self._link),
                ("skills/tidy/SKILL.md", self._link),
                ("skills/tidy/deep", self._link),
                ("skills/tidy/deep", self._file),
                ("", self._link),
            ]
        )
        path = self.root / place if place else self.root
        aside = path.with_name("aside")
        path.rename(aside)
        put(path, place)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        aside.rename(path)

    def _link(self, path: Path, place: str) -> None:
        path.symlink_to(self.outside / place)

    def _relative_link(self, path: Path, place: str) -> None:
        path.symlink_to(os.path.relpath(self.outside / place, path.parent))

    def _file(self, path: Path, _place: str) -> None:
        path.touch()

    def _directory(self, path: Path, _place: str) -> None:
        path.mkdir()


def swap_until_told(root: Path, outside: Path, seed: int, swaps: "Synchronized[int]") -> None:
    """Swap until `swaps` is negative, counting; a process of its own, which no lock holds up."""
    swapper = Swapper(root, outside, random.Random(seed))
    while swaps.value >= 0:
        swapper.swap()
        with swaps.get_lock():
            swaps.value += swaps.value >= 0


@contextmanager
def swapping(directory: Path, seed: int) -> Iterator[tuple[Path, "Synchronized[int]"]]:
    """Give a root in which somebody swaps until this is left, and how often that was."""
    root, outside = directory / "workspace", directory / "outside"
    make_tree(root, "inside")
    make_tree(outside, SECRET)
    context = multiprocessing.get_context("spawn")
    swaps: Synchronized[int] = context.Value("q", 0)
    process = context.Process(target=swap_until_told, args=(root, outside, seed, swaps))
    process.start()
    try:
        yield root, swaps
    finally:
        swaps.value = -1
        process.join()


def run(count: int, seed: int) -> Outcome:
    """Resolve `count` paths, half of them each way to open beneath a handle."""
    outcome, draw = Outcome(), random.Random(seed)
    with (
        tempfile.TemporaryDirectory() as directory,
        swapping(Path(directory), seed) as (root, swaps),
    ):
        ways: tuple[Opener, ...] = (KernelOpener(), WalkingOpener())
        lookers = [Looker(root, opener, draw, outcome) for opener in ways]
        while not swaps.value:
            # The other process is just starting.
            lookers[0].look(is_pass=False)
        for number in range(count):
            lookers[number % len(lookers)].look(is_pass=number % PASS_EVERY < len(lookers))
        outcome.seen["swaps"] = swaps.value
    outcome.seen["resolves"] = count
    outcome.require(
        "read", "listed", "passes", "path_escape", "not_found", "root_replaced", "swaps"
    )
    return outcome


class Looker:
    """Resolves paths below the root in one way, and judges what it gets to see."""

    def __init__(self, root: Path, opener: Opener, draw: random.Random, outcome: Outcome) -> None:
        self._root = root
        self._reader = Reader(opener)
        self._resolver = Resolver(list_roots(root), opener=opener)
        self._draw = draw
        self._outcome = outcome

    def look(self, *, is_pass: bool) -> None:
        """Resolve one path, or the whole root."""
        if is_pass:
            self._pass()
            return
        handle = open_root(self._root)
        if isinstance(handle, RootProblem):
            self._outcome.seen[handle.value] += 1
            return
        try:
            self._read(handle) if self._draw.random() < 0.7 else self._list(handle)
        finally:
            os.close(handle)

    def _read(self, handle: int) -> None:
        path = self._draw.choice(PATHS)
        found = self._reader.read_file(handle, path, BYTES_MAX)
        if isinstance(found, FileContent):
            self._outcome.seen["read"] += 1
            self._judge(found.content.decode(), f"read {path!r}")
        else:
            self._outcome.seen[found.reason] += 1
            self._judge(repr(found), f"refused {path!r}")

    def _list(self, handle: int) -> None:
        path = self._draw.choice(DIRECTORIES)
        found = self._reader.list_directory(handle, path, 100)
        self._outcome.seen["listed" if isinstance(found, Listing) else found.reason] += 1
        self._judge(repr(found), f"listed {path!r}")

    def _pass(self) -> None:
        found = self._resolver.resolve()
        self._outcome.seen["passes"] += 1
        self._judge(repr(scan_to_json(found.snapshot, found.observations)), "a pass")
        self._judge(repr(_bytes_of(found.blobs)), "the bytes of a pass")

    def _judge(self, shown: str, what: str) -> None:
        if SECRET in shown:
            self._outcome.broken.append(f"{what} and showed what is outside: {shown[:200]!r}")


def _bytes_of(blobs: FileBlobs) -> list[bytes]:
    contents = []
    for digest in blobs:
        with suppress(KeyError):
            contents.append(blobs[digest])
    return contents


__all__ = ["run"]
