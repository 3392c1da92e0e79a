"""A patch as `git diff` writes it, read into files, hunks and lines.

Hunks are counted, so a line of code that looks like a header stays a line of code. Names come as
git quotes them and are unquoted here. Raises Rejected `bad_patch` for anything else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from driftpin.errors import Rejected

_HUNK: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPE: Final = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_LETTERS: Final = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b"}
_NO_FILE: Final = "/dev/null"


class ChangeKind(StrEnum):
    """What became of a file."""

    ADDED = "added"
    REMOVED = "removed"
    MODIFIED = "modified"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a hunk; the number on a side is 0 where the line is not on that side."""

    old: int
    new: int
    text: str

    @property
    def is_added(self) -> bool:
        """Whether it is new."""
        return self.old == 0

    @property
    def is_removed(self) -> bool:
        """Whether it is gone."""
        return self.new == 0


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of a patch; both paths are those of the file, equal unless it was renamed."""

    old_path: str
    path: str
    kind: ChangeKind
    is_binary: bool
    hunks: tuple[tuple[Line, ...], ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines of all hunks."""
        return tuple(line for hunk in self.hunks for line in hunk)

    @property
    def added(self) -> tuple[Line, ...]:
        """The new lines."""
        return tuple(line for line in self.lines if line.is_added)

    @property
    def removed(self) -> tuple[Line, ...]:
        """The lines that are gone."""
        return tuple(line for line in self.lines if line.is_removed)

    @property
    def size(self) -> int:
        """How many lines are new or gone."""
        return sum(line.is_added or line.is_removed for line in self.lines)


@dataclass(slots=True)
class _Section:
    """A file's part of a patch while it is read."""

    header: str
    old_path: str = ""
    path: str = ""
    kind: ChangeKind = ChangeKind.MODIFIED
    is_binary: bool = False
    hunks: list[tuple[Line, ...]] = field(default_factory=list)

    def change(self) -> FileChange:
        old, new = self.old_path, self.path
        if not old and not new:
            old = new = _same_name(self.header)
        return FileChange(old or new, new or old, self.kind, self.is_binary, tuple(self.hunks))


def parse_patch(text: str) -> tuple[FileChange, ...]:
    """Return the files of a patch in its order."""
    lines = text.split("\n")
    sections: list[_Section] = []
    position = 0
    while position < len(lines):
        line = lines[position]
        position += 1
        if line.startswith("diff --git "):
            sections.append(_Section(line.removeprefix("diff --git ")))
        elif sections and (found := _HUNK.match(line)):
            hunk, position = _read_hunk(lines, position, found)
            sections[-1].hunks.append(hunk)
        elif sections:
            _read_header(sections[-1], line)
    return tuple(section.change() for section in sections)


def _read_hunk(
    lines: list[str], position: int, found: re.Match[str]
) -> tuple[tuple[Line, ...], int]:
    old, new = int(found[1]), int(found[3])
    old_left = int(found[2] if found[2] is not None else 1)
    new_left = int(found[4] if found[4] is not None else 1)
    read: list[Line] = []
    while old_left > 0 or new_left > 0:
        if position >= len(lines):
            raise Rejected("The patch ends inside a hunk.", code="bad_patch")
        mark, text = lines[position][:1], lines[position][1:]
        position += 1
        if mark == "\\":
            continue
        if mark not in {"+", "-", " ", ""}:
            raise Rejected("A hunk of the patch has a line without a mark.", code="bad_patch")
        read.append(Line(0 if mark == "+" else old, 0 if mark == "-" else new, text))
        old, old_left = (old, old_left) if mark == "+" else (old + 1, old_left - 1)
        new, new_left = (new, new_left) if mark == "-" else (new + 1, new_left - 1)
    return tuple(read), position


def _read_header(section: _Section, line: str) -> None:
    name, _, rest = line.partition(" ")
    match name:
        case "---":
            section.old_path = _path(rest, "a/") or section.old_path
        case "+++":
            section.path = _path(rest, "b/") or section.path
        case "new":
            section.kind = ChangeKind.ADDED if rest.startswith("file") else section.kind
        case "deleted":
            section.kind = ChangeKind.REMOVED
        case "rename":
            section.kind = ChangeKind.RENAMED
            side, _, path = rest.partition(" ")
            if side == "from":
                section.old_path = unquote(path)
            else:
                section.path = unquote(path)
        case "Binary" | "GIT":
            section.is_binary = True
        case _:
            pass


def _path(written: str, prefix: str) -> str:
    path = unquote(written.rstrip("\t"))
    return "" if path == _NO_FILE else path.removeprefix(prefix)


def unquote(written: str) -> str:
    """Return a path that git may have put in quotes."""
    return unquoted_bytes(written).decode("utf-8", "replace")


def unquoted_bytes(written: str) -> bytes:
    """Return the bytes of a path that may be in quotes."""
    if not (written.startswith('"') and written.endswith('"') and len(written) > 1):
        return written.encode("utf-8", "replace")
    return _ESCAPE.sub(_unescaped, written[1:-1].encode("utf-8", "replace"))


def quoted(path: bytes) -> str:
    """Return a path for one line: as it is, or in quotes where something in it would not show."""
    text = path.decode("utf-8", "replace")
    is_plain = text.isprintable() and "\N{REPLACEMENT CHARACTER}" not in text
    if is_plain and not {'"', "\\"} & {*text}:
        return text
    return '"' + "".join(_escaped(byte) for byte in path) + '"'


def _escaped(byte: int) -> str:
    letter = chr(byte)
    if letter in '"\\':
        return f"\\{letter}"
    return letter if " " <= letter <= "~" else f"\\{byte:03o}"


def _unescaped(found: re.Match[bytes]) -> bytes:
    letter: bytes = found[1]
    if len(letter) == 3:
        return bytes([int(letter, 8) & 0xFF])
    return _LETTERS.get(letter, letter)


def _same_name(header: str) -> str:
    """Return the name out of `a/NAME b/NAME`, for a file that has no other line with its name."""
    if header.startswith('"'):
        return unquote(header[: len(header) // 2]).removeprefix("a/")
    return header[: (len(header) - 1) // 2].removeprefix("a/")


def numbered(change: FileChange) -> Iterator[str]:
    """Yield the file's diff with the line's number on the side that it is on."""
    for index, hunk in enumerate(change.hunks):
        if index:
            yield "     ..."
        for line in hunk:
            mark = "+" if line.is_added else "-" if line.is_removed else " "
            yield f"{line.new or line.old:>5} {mark}{line.text}"


def map_line(change: FileChange, old: int) -> int:
    """Return where a line of the old version is expected in the new one."""
    moved = 0
    for line in change.lines:
        if line.is_removed and line.old < old:
            moved -= 1
        elif line.is_added and line.new < old + moved + 1:
            moved += 1
    return max(old + moved, 1)


__all__ = [
    "ChangeKind",
    "FileChange",
    "Line",
    "map_line",
    "numbered",
    "parse_patch",
    "quoted",
    "unquote",
    "unquoted_bytes",
]
