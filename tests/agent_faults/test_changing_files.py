"""X43: files that are huge, grow, shrink, and are replaced while they are read."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent_runtime.signals import replace_file
from driftpin.agent.beneath import KernelOpener, Opener, WalkingOpener
from driftpin.agent.file_blobs import FileBlobs
from driftpin.agent.reading import FileContent, Reader
from driftpin.agent.resolve import Resolver
from driftpin.agent.roots import RootProblem, list_roots, open_root
from driftpin.context.resource import Status
from driftpin.limits import INSTRUCTION_BYTES_MAX

READS = 300
HUGE_BYTES = 10 * 1024**3


@pytest.fixture(params=[KernelOpener, WalkingOpener], ids=["kernel", "walk"])
def opener(request: pytest.FixtureRequest) -> Opener:
    made: Opener = request.param()
    return made


@contextmanager
def meanwhile(act: Callable[[int], object]) -> Iterator[None]:
    """Do something again and again in a thread until this is left; it is told how often before."""
    is_over = threading.Event()

    def run() -> None:
        number = 0
        while not is_over.is_set():
            act(number)
            number += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def version(number: int) -> str:
    """Return a text whose every part says which version it is of; the lengths differ a lot."""
    return f"{number:08}\n" * (1 + number * 37 % 6_000)


def is_one_version(content: bytes) -> bool:
    lines = content.decode().splitlines()
    return len(set(lines)) == 1 and content.decode() == version(int(lines[0]))


def test_x43_what_is_replaced_while_it_is_read_is_never_a_mix(
    tmp_path: Path, opener: Opener
) -> None:
    file, reader, seen = tmp_path / "AGENTS.md", Reader(opener), Counter[str]()
    replace_file(file, version(0))
    handle = open_root(tmp_path)
    assert not isinstance(handle, RootProblem)
    with meanwhile(lambda number: replace_file(file, version(number))):
        while seen["read"] < READS:
            found = reader.read_file(handle, "AGENTS.md", INSTRUCTION_BYTES_MAX)
            assert isinstance(found, FileContent)
            assert is_one_version(found.content)
            seen["read"] += 1


def test_x43_a_pass_names_only_versions_that_existed_and_so_do_its_bytes(
    tmp_path: Path, opener: Opener
) -> None:
    file, resolver = tmp_path / "AGENTS.md", Resolver(list_roots(tmp_path), opener=opener)
    replace_file(file, version(0))
    versions: set[bytes] = set()
    with meanwhile(lambda number: replace_file(file, version(number))):
        while len(versions) < READS // 10:
            (content,) = bytes_of(resolver.resolve().blobs)
            assert is_one_version(content)
            versions.add(content)


def bytes_of(blobs: FileBlobs) -> list[bytes]:
    return [blobs[digest] for digest in blobs]


def test_x43_a_file_that_grows_and_shrinks_is_read_whole_or_told_unstable(
    tmp_path: Path, opener: Opener
) -> None:
    """Written in place, what is there at one moment is all there is; it is never longer than it."""
    file, reader, seen = tmp_path / "AGENTS.md", Reader(opener), Counter[str]()
    file.write_bytes(b"")
    handle = open_root(tmp_path)
    assert not isinstance(handle, RootProblem)

    def grow_and_shrink(number: int) -> None:
        with file.open("r+b") as open_file:
            open_file.truncate(number * 4_099 % (2 * INSTRUCTION_BYTES_MAX))

    with meanwhile(grow_and_shrink):
        while not (seen["read"] and seen["too_large"]) or seen.total() < READS:
            found = reader.read_file(handle, "AGENTS.md", INSTRUCTION_BYTES_MAX)
            if isinstance(found, FileContent):
                seen["read"] += 1
                assert len(found.content) == found.key.size_bytes <= INSTRUCTION_BYTES_MAX
            else:
                seen[found.reason] += 1
                assert found.reason in {"too_large", "unstable"}


def test_x43_a_huge_sparse_file_is_told_by_its_size_and_not_read(
    tmp_path: Path, opener: Opener
) -> None:
    with (tmp_path / "AGENTS.md").open("wb") as file:
        file.truncate(HUGE_BYTES)
    found = Resolver(list_roots(tmp_path), opener=opener).resolve()
    (resource,) = found.snapshot.resources
    assert (resource.status, resource.reason) == (Status.OVERSIZE, "too_large")
    assert found.observations.resources[0].size_bytes == HUGE_BYTES
    assert found.read_stats.bytes_read == 0
