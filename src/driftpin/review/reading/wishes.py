"""The arguments of a call, checked; what is wrong with them goes back to the reviewer."""

from enum import StrEnum
from typing import Final, TypeVar

import msgspec

from driftpin import review_limits
from driftpin.errors import Malformed
from driftpin.review.diff import unquoted_bytes


class TreeSide(StrEnum):
    """Which of the two pinned trees."""

    HEAD = "head"
    BASE = "base"


class Since(StrEnum):
    """What a diff compares the head with."""

    BASE = "base"
    LAST_ROUND = "last_round"


class _Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of one tool."""


class LinesWish(_Wish, frozen=True):
    """Some lines of a file."""

    path: str
    side: TreeSide = TreeSide.HEAD
    first_line: int | None = None
    last_line: int | None = None


class BlameWish(_Wish, frozen=True):
    """Some lines of a file at the head."""

    path: str
    first_line: int | None = None
    last_line: int | None = None


class ListWish(_Wish, frozen=True):
    """What a folder holds."""

    folder: str = ""
    side: TreeSide = TreeSide.HEAD
    all_below: bool = False
    skip: int = 0


class SearchWish(_Wish, frozen=True):
    """Lines that have a text."""

    text: str
    is_pattern: bool = False
    ignore_case: bool = False
    path: str = ""
    side: TreeSide = TreeSide.HEAD
    skip: int = 0


class DiffWish(_Wish, frozen=True):
    """The diff of a file."""

    path: str
    since: Since = Since.BASE
    skip: int = 0


Wish = TypeVar("Wish", bound=_Wish)
_TOP: Final = frozenset({"", ".", "./", "/"})


def read_wish(kind: type[Wish], arguments: str) -> Wish:
    """Return the arguments; Malformed (`bad_arguments`) says which one is wrong and why."""
    try:
        return msgspec.json.decode(arguments.encode("utf-8", "replace"), type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise bad(f"The arguments are not as the tool's schema says: {error}.") from None


def read_path(written: str) -> bytes:
    """Return a path of a tree; Malformed where it could not be one."""
    path = unquoted_bytes(written)
    if len(path) > review_limits.REVIEW_READ_PATH_BYTES_MAX:
        raise bad("The path is too long.")
    if b"\0" in path or {b"", b".", b".."} & {*path.split(b"/")}:
        raise bad(
            f"{shown(written)} is no path of the repository; write it from the top, as `list_files`"
            " shows it: no leading `/`, no `.` and no `..` in it."
        )
    return path


def read_folder(written: str) -> bytes:
    """Return the path of a folder, empty for the top."""
    return b"" if written in _TOP else read_path(written.removesuffix("/"))


def read_range(first: int | None, last: int | None, count: int, most: int) -> tuple[int, int]:
    """Return the lines that are wanted, both ends included, of a file with `count` lines.

    Malformed where they are not there.
    """
    begin = 1 if first is None else first
    end = count if last is None else min(last, count)
    if not 1 <= begin <= end:
        raise bad(f"The file has {count} lines; name a range of those.")
    return begin, min(end, begin + most - 1)


def read_skip(skip: int) -> int:
    """Return how much is to be left out; Malformed below zero."""
    if skip < 0:
        raise bad("`skip` cannot be less than 0.")
    return skip


def shown(written: str) -> str:
    """Return what a reviewer wrote, short enough to be repeated."""
    return repr(written[:200])


def bad(why: str) -> Malformed:
    """Return the refusal of arguments."""
    return Malformed(why, code="bad_arguments")


__all__ = [
    "BlameWish",
    "DiffWish",
    "LinesWish",
    "ListWish",
    "SearchWish",
    "Since",
    "TreeSide",
    "bad",
    "read_folder",
    "read_path",
    "read_range",
    "read_skip",
    "read_wish",
    "shown",
]
