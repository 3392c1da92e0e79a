"""What one pass looked at below one root, so that a later look can tell whether it still holds.

Verifying costs one `lstat` per path and reads nothing. It may run while paths are being swapped for
links: a stat that is led outside cannot do harm, because it is only compared. It either differs
from what was seen, and the pass is done again beneath the root's handle, or it has the device and
inode that were read beneath the root, and then it is that very file. Parents are compared too.
"""

import os

from driftpin.agent.beneath import Opener
from driftpin.agent.reading import Reader, StatKey, key_of
from driftpin.agent.roots import Root, RootProblem, open_root

Seen = StatKey | int


class Trace:
    """What was seen below a root: a state for every path, or the number of the error instead."""

    def __init__(self, root: Root, identity: tuple[int, int] | RootProblem) -> None:
        """Start with nothing but how the root itself was found."""
        self.root = root
        self.identity = identity
        self.is_settled = True
        self._plain: dict[str, Seen] = {}
        self._parents: dict[str, tuple[int, int, int]] = {}
        self._linked: dict[str, Seen] = {}
        self._own_listing: StatKey | None = None

    def saw(self, path: str, seen: Seen) -> None:
        """Remember what an `lstat` of a path without links in it gave."""
        self._plain[path] = seen

    def saw_linked(self, path: str, seen: Seen) -> None:
        """Remember what a path with a link in it led to."""
        self._linked[path] = seen

    def saw_parent(self, path: str, key: StatKey) -> None:
        """Remember that a directory was passed through; what else it holds does not matter."""
        self._parents[path] = _identity(key)

    def saw_own_listing(self, key: StatKey) -> None:
        """Remember the state of the root in which its names were looked through.

        It only matters to what is reported beside a manifest: every name that matters to the
        manifest is looked at by itself.
        """
        self._own_listing = key

    def still_holds(self, reader: Reader, *, with_listing: bool) -> bool:
        """Whether everything is as it was seen; `with_listing` also asks for the root's names."""
        handle = open_root(self.root.path)
        if isinstance(handle, RootProblem):
            return handle == self.identity
        try:
            own = key_of(os.fstat(handle))
            if (own.device, own.inode) != self.identity:
                return False
            if with_listing and self._own_listing not in {None, own}:
                return False
            return self._paths_hold(handle, reader.opener)
        finally:
            os.close(handle)

    def _paths_hold(self, handle: int, opener: Opener) -> bool:
        linked = Reader(opener)
        return (
            all(lstat_seen(handle, path) == seen for path, seen in self._plain.items())
            and all(
                self._parent_holds(handle, path, seen)
                for path, seen in self._parents.items()
                if path not in self._plain
            )
            and all(
                linked_seen(linked, handle, path) == seen for path, seen in self._linked.items()
            )
        )

    def _parent_holds(self, handle: int, path: str, seen: tuple[int, int, int]) -> bool:
        now = lstat_seen(handle, path)
        return isinstance(now, StatKey) and _identity(now) == seen


def _identity(key: StatKey) -> tuple[int, int, int]:
    return key.device, key.inode, key.mode


def lstat_seen(handle: int, path: str) -> Seen:
    """Return the state of a path itself, or the number of the error that hides it."""
    try:
        return key_of(os.stat(path or ".", dir_fd=handle, follow_symlinks=False))
    except OSError as error:
        return error.errno or 0


def linked_seen(reader: Reader, handle: int, path: str) -> Seen:
    """Return the state of what a path leads to inside the root, or the number of the error."""
    try:
        return reader.stat_key(handle, path)
    except OSError as error:
        return error.errno or 0


__all__ = ["Seen", "Trace", "linked_seen", "lstat_seen"]
