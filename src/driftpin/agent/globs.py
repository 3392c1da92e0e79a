"""Globs over paths: `*` and `?` inside a name, `**` for any folders.

A match costs at most the names of a path times the parts of the glob.
"""

from fnmatch import fnmatchcase
from functools import reduce
from typing import Final

ANY_FOLDERS: Final = "**"


def matches_glob(path: str, glob: str) -> bool:
    """Whether a path matches; a glob without a slash is for the last name alone."""
    if "/" not in glob:
        return fnmatchcase(path.rpartition("/")[2], glob)
    parts = [part for part in glob.split("/") if part]
    # How many parts of the glob can be used up by the names so far.
    used = reduce(lambda reached, name: _after(name, parts, reached), path.split("/"), {0})
    return len(parts) in _with_empty(parts, used)


def _after(name: str, parts: list[str], reached: set[int]) -> set[int]:
    found: set[int] = set()
    for index in _with_empty(parts, reached):
        if index == len(parts):
            continue
        if parts[index] == ANY_FOLDERS:
            found.add(index)
        elif fnmatchcase(name, parts[index]):
            found.add(index + 1)
    return found


def _with_empty(parts: list[str], reached: set[int]) -> set[int]:
    """Add where one gets by letting `**` stand for nothing."""
    found = set(reached)
    for index in sorted(reached):
        while index < len(parts) and parts[index] == ANY_FOLDERS:
            index += 1  # noqa: PLW2901 it walks on
            found.add(index)
    return found


__all__ = ["matches_glob"]
