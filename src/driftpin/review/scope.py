"""What kind of files a change touches, how large it is, and in which parts it is shown."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

from driftpin import review_limits
from driftpin.review.anchors import begins_symbol
from driftpin.review.diff import FileChange, Line


class FileClass(StrEnum):
    """What a file is for."""

    SOURCE = "source"
    TEST = "test"
    GENERATED = "generated"
    VENDORED = "vendored"
    PROSE = "prose"


class Size(StrEnum):
    """How much of a panel a change needs."""

    SMALL = "small"
    WHOLE = "whole"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Files that are shown together; `name` is empty when that is all of them."""

    name: str
    changes: tuple[FileChange, ...]


_VENDORED: Final = frozenset({"vendor", "vendored", "third_party", "node_modules"})
_GENERATED: Final = (".lock", ".min.js", ".min.css", ".snap", "_pb2.py", "-lock.json", ".pb.go")
_PROSE: Final = frozenset({".md", ".rst", ".txt", ".adoc"})


def classify(path: str) -> FileClass:
    """Return what a file is for, by its path."""
    pure = PurePosixPath(path)
    folders = {part.lower() for part in pure.parts[:-1]}
    name = pure.name.lower()
    if folders & _VENDORED:
        return FileClass.VENDORED
    if name.endswith(_GENERATED) or "generated" in folders:
        return FileClass.GENERATED
    is_test_name = name.startswith("test_") or pure.stem.lower().endswith(("_test", ".test"))
    if folders & {"test", "tests", "__tests__", "spec"} or is_test_name:
        return FileClass.TEST
    return FileClass.PROSE if pure.suffix.lower() in _PROSE else FileClass.SOURCE


def source_lines(changes: Iterable[FileChange]) -> int:
    """Return how many lines of source are new or gone."""
    return sum(each.size for each in changes if classify(each.path) is FileClass.SOURCE)


def size_of(changes: Sequence[FileChange]) -> Size:
    """Return the size class of a whole range.

    Lines of source say what is too large: a lock file with them is no reason to refuse. All lines
    say what is small, since a name alone must not keep a panel away.
    """
    lines = _all_lines(changes)
    is_too_much = source_lines(changes) > review_limits.REVIEW_DIFF_LINES_MAX
    if is_too_much or lines > review_limits.REVIEW_ALL_LINES_MAX:
        return Size.TOO_LARGE
    is_small = lines <= review_limits.REVIEW_SMALL_LINES_MAX
    if is_small and len(changes) <= review_limits.REVIEW_SMALL_FILES_MAX:
        return Size.SMALL
    return Size.WHOLE


def _all_lines(changes: Iterable[FileChange]) -> int:
    return sum(each.size for each in changes)


def chunks_of(changes: Sequence[FileChange]) -> tuple[Chunk, ...]:
    """Return the parts in which a change is shown; together they have every line of it."""
    if _all_lines(changes) <= review_limits.REVIEW_WHOLE_LINES_MAX:
        return (Chunk("", tuple(changes)),)
    parts: list[list[FileChange]] = [[]]
    lines = 0
    for piece in (piece for change in changes for piece in _pieces(change)):
        size = len(piece.lines)
        if parts[-1] and lines + size > review_limits.REVIEW_CHUNK_LINES_MAX:
            parts.append([])
            lines = 0
        parts[-1].append(piece)
        lines += size
    return tuple(Chunk(f"part-{at}", tuple(part)) for at, part in enumerate(parts, start=1))


def _pieces(change: FileChange) -> Iterable[FileChange]:
    """Yield a file's change hunk by hunk, long hunks cut before a symbol where one begins."""
    for hunk in change.hunks or ((),):
        for part in _cut(hunk):
            hunks = (part,) if part else ()
            yield FileChange(change.old_path, change.path, change.kind, change.is_binary, hunks)


def _cut(hunk: tuple[Line, ...]) -> Iterator[tuple[Line, ...]]:
    """Yield a hunk in parts that fit: none cuts a symbol that could stand in the next one whole."""
    longest = review_limits.REVIEW_CHUNK_LINES_MAX
    while len(hunk) > longest:
        begins = (at for at in range(longest, 0, -1) if begins_symbol(hunk[at].text))
        end = next(begins, longest)
        yield hunk[:end]
        hunk = hunk[end:]
    yield hunk


def proposed_split(changes: Sequence[FileChange]) -> tuple[str, ...]:
    """Return the top folders of a change that is too large, with their lines."""
    sizes: dict[str, int] = {}
    for each in changes:
        folder = each.path.partition("/")[0] if "/" in each.path else "."
        sizes[folder] = sizes.get(folder, 0) + each.size
    ordered = sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(f"{folder} ({lines} lines)" for folder, lines in ordered)


__all__ = [
    "Chunk",
    "FileClass",
    "Size",
    "chunks_of",
    "classify",
    "proposed_split",
    "size_of",
    "source_lines",
]
