"""What kind of files a change touches, how large it is, and in which parts it is shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

from driftpin import review_limits
from driftpin.review.diff import FileChange


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
    CHUNKED = "chunked"
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
    """Return the size class of a whole range."""
    lines = sum(each.size for each in changes)
    if lines > review_limits.REVIEW_DIFF_LINES_MAX:
        return Size.TOO_LARGE
    if lines > review_limits.REVIEW_WHOLE_LINES_MAX:
        return Size.CHUNKED
    is_small = lines <= review_limits.REVIEW_SMALL_LINES_MAX
    if is_small and len(changes) <= review_limits.REVIEW_SMALL_FILES_MAX:
        return Size.SMALL
    return Size.WHOLE


def chunks_of(changes: Sequence[FileChange]) -> tuple[Chunk, ...]:
    """Return the parts in which a change is shown; together they have every line of it."""
    if size_of(changes) is not Size.CHUNKED:
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
    """Yield a file's change hunk by hunk, long hunks cut at the limit."""
    for hunk in change.hunks or ((),):
        for start in range(0, max(len(hunk), 1), review_limits.REVIEW_CHUNK_LINES_MAX):
            part = hunk[start : start + review_limits.REVIEW_CHUNK_LINES_MAX]
            yield FileChange(
                change.old_path, change.path, change.kind, change.is_binary, (part,) if part else ()
            )


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
