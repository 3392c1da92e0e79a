"""The two pinned trees: which paths they have and what stands there. Each is listed once."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from driftpin import review_limits
from driftpin.errors import NotFound, Rejected
from driftpin.review.diff import quoted
from driftpin.review.fences import fenced
from driftpin.review.reading.wishes import TreeSide
from driftpin.review.repository import Looked, Repository


class Kind(StrEnum):
    """What stands at a path."""

    FILE = "file"
    LINK = "link"
    SUBMODULE = "submodule"


_KINDS: Final = {b"120000": Kind.LINK, b"160000": Kind.SUBMODULE}


class Entry(msgspec.Struct, frozen=True):
    """What a tree has at a path: its kind and the name of its object."""

    kind: Kind
    name: str


class PinnedTrees:
    """Files of head and base, by path."""

    def __init__(self, repository: Repository, head: str, base: str) -> None:
        """Read trees by their object names."""
        self._repository = repository
        self.names = {TreeSide.HEAD: head, TreeSide.BASE: base}
        self._listed: dict[TreeSide, Mapping[bytes, Entry]] = {}

    def look(self, *arguments: str | bytes, bytes_max: int) -> Looked:
        """Return what git writes; Rejected (`reading_too_slow`) when it takes too long."""
        timeout_s = review_limits.REVIEW_READ_TIMEOUT_S
        looked = self._repository.look(*arguments, bytes_max=bytes_max, timeout_s=timeout_s)
        if looked.is_late:
            raise Rejected(
                f"This took longer than {timeout_s:g} s. Ask for less: a narrower path, or a"
                " simpler text.",
                code="reading_too_slow",
            )
        return looked

    def files(self, side: TreeSide) -> Mapping[bytes, Entry]:
        """Return every path of a tree, in its order."""
        if side not in self._listed:
            self._listed[side] = self._list(self.names[side])
        return self._listed[side]

    def _list(self, name: str) -> Mapping[bytes, Entry]:
        bytes_max = review_limits.REVIEW_READ_TREE_BYTES_MAX
        looked = self.look("ls-tree", "-r", "-z", "--full-tree", name, bytes_max=bytes_max)
        if looked.code != 0 or looked.is_cut:
            raise Rejected("The tree cannot be listed here.", code="unreadable_tree")
        found: dict[bytes, Entry] = {}
        for record in looked.content.split(b"\0"):
            about, _, path = record.partition(b"\t")
            parts = about.split()
            if len(parts) == 3:
                kind = _KINDS.get(parts[0], Kind.FILE)
                found[path] = Entry(kind, parts[2].decode("ascii"))
        return found

    def has_folder(self, side: TreeSide, path: bytes) -> bool:
        """Whether something stands below a path."""
        below = path + b"/"
        return any(each.startswith(below) for each in self.files(side))

    def text(self, side: TreeSide, path: bytes) -> tuple[str, ...]:
        """Return the lines of a text file; a refusal says what is there instead."""
        entry = self.files(side).get(path)
        if entry is None:
            raise NotFound(self._missing(side, path), code="file_not_found")
        match entry.kind:
            case Kind.SUBMODULE:
                raise Rejected(
                    f"This is a submodule at commit {entry.name}; its files are another"
                    " repository's and cannot be read here.",
                    code="submodule",
                )
            case Kind.LINK:
                target = self._blob(entry.name)[: review_limits.REVIEW_READ_PATH_BYTES_MAX]
                raise Rejected(
                    "This is a symbolic link, and links are not followed: if it leads to a file of"
                    f" the repository, read that.\n{fenced('target', quoted(target))}",
                    code="link",
                )
            case Kind.FILE:
                return _lines(self._blob(entry.name))

    def _missing(self, side: TreeSide, path: bytes) -> str:
        if self.has_folder(side, path):
            return "This is a folder; `list_files` shows what it holds."
        other = TreeSide.BASE if side is TreeSide.HEAD else TreeSide.HEAD
        if path in self.files(other):
            return f"There is no such file at the {side}, but one at the {other}."
        return f"There is no such file at the {side}; `list_files` and `search` find paths."

    def _blob(self, name: str) -> bytes:
        bytes_max = review_limits.REVIEW_READ_FILE_BYTES_MAX
        looked = self.look("cat-file", "blob", name, bytes_max=bytes_max)
        if looked.is_cut:
            raise Rejected(
                f"The file has more than {bytes_max} bytes; `search` with its path finds lines"
                " in it.",
                code="too_large",
            )
        if looked.code != 0:
            raise Rejected("This copy of the repository does not hold the file.", code="not_here")
        return looked.content


def _lines(content: bytes) -> tuple[str, ...]:
    if b"\0" in content:
        raise Rejected(f"This is a binary file of {len(content)} bytes.", code="binary")
    text = content.decode("utf-8", "replace")
    return tuple(text.removesuffix("\n").split("\n")) if text else ()


__all__ = ["Entry", "Kind", "PinnedTrees"]
