"""One root during one pass: everything is looked at through here, bounded and remembered."""

import errno
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from driftpin.agent.beneath import HANDLE_FLAGS, real_path
from driftpin.agent.private_paths import is_private
from driftpin.agent.reading import (
    NOT_REGULAR,
    UNSTABLE,
    FileContent,
    Reader,
    Refusal,
    StatKey,
    key_of,
    refusal_for,
)
from driftpin.agent.roots import Root
from driftpin.agent.stat_cache import FileReading, ParseFile, Purpose, StatCache
from driftpin.agent.trace import Seen, Trace, linked_seen, lstat_seen
from driftpin.context.resource import Finding, Status
from driftpin.limits import OVERSIZE_HASHED_BYTES_MAX, SCAN_ENTRIES_MAX

_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR})
TOO_MANY_ENTRIES: Final = Refusal(Status.UNREADABLE, "too_many_entries")
_UNSETTLED_REASONS: Final = frozenset({"io_error", UNSTABLE.reason})


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is there, in the state `key`; `is_linked` if a link is on the way to it."""

    key: StatKey
    is_linked: bool = False


@dataclass(slots=True)
class ReadStats:
    """How much one pass read; an unchanged workspace costs nothing here."""

    files_read: int = 0
    bytes_read: int = 0
    directories_listed: int = 0


class RootView:
    """Looks below one opened root and notes in a trace what it saw."""

    def __init__(
        self,
        root: Root,
        handle: int,
        *,
        reader: Reader,
        cache: StatCache,
        trace: Trace,
        stats: ReadStats,
        entries_max: int = SCAN_ENTRIES_MAX,
    ) -> None:
        """Look below `handle`, which the caller opened and closes; list `entries_max` in all."""
        self.root = root
        self.trace = trace
        self.watched: set[str] = {""}
        self.errors: list[str] = []
        self._handle = handle
        self._reader = reader
        self._cache = cache
        self._stats = stats
        self._entries_left = entries_max
        own = Found(key_of(os.fstat(handle)))
        self.device = own.key.device
        self._parents: dict[str, Found | Refusal | None] = {"": own}

    def look(self, path: str) -> Found | Refusal | None:
        """Return what is at a path; None if nothing is, a refusal if that cannot be told."""
        parent = self._parent(path.rpartition("/")[0])
        if not isinstance(parent, Found):
            return parent
        if parent.is_linked:
            return self._look_linked(path, is_link=self._is_link(path))
        seen = lstat_seen(self._handle, path)
        self.trace.saw(path, seen)
        if isinstance(seen, StatKey) and seen.is_link:
            return self._look_linked(path, is_link=True)
        return _found(seen)

    def _parent(self, directory: str) -> Found | Refusal | None:
        """Return the directory that a path lies in; where there is none, nothing can be."""
        if directory not in self._parents:
            self._parents[directory] = self._look_at_parent(directory)
        return self._parents[directory]

    def _look_at_parent(self, directory: str) -> Found | Refusal | None:
        outer = self._parent(directory.rpartition("/")[0])
        if not isinstance(outer, Found):
            return outer
        seen = lstat_seen(self._handle, directory)
        if outer.is_linked or (isinstance(seen, StatKey) and seen.is_link):
            if not outer.is_linked:
                self.trace.saw(directory, seen)
            found = self._look_linked(directory, is_link=False)
        elif isinstance(seen, StatKey):
            self.trace.saw_parent(directory, seen)
            found = Found(seen)
        else:
            self.trace.saw(directory, seen)
            found = _found(seen)
        is_file = isinstance(found, Found) and not found.key.is_directory
        return None if is_file else found

    def _look_linked(self, path: str, *, is_link: bool) -> Found | Refusal | None:
        # A link that is laid anew changes the directory it stands in, not the one it leads to.
        self.watched.add(path.rpartition("/")[0])
        seen = linked_seen(self._reader, self._handle, path)
        self.trace.saw_linked(path, seen)
        if seen in _ABSENT and is_link:
            return Refusal(Status.UNREADABLE, "not_found")
        return _found(seen, is_linked=True)

    def _is_link(self, path: str) -> bool:
        """Whether the last component, below a linked parent, is a link itself."""
        directory, _, name = path.rpartition("/")
        try:
            parent = self._reader.opener.open(self._handle, directory, HANDLE_FLAGS)
        except OSError:
            return False
        try:
            seen = lstat_seen(parent, name)
        finally:
            os.close(parent)
        return isinstance(seen, StatKey) and seen.is_link

    def real_path(self, path: str) -> str | None:
        """Return where a linked path leads to below the root, None if that just changed."""
        try:
            return real_path(self._handle, path)
        except OSError as error:
            refusal_for(error)
            return None

    def watched_paths(self) -> frozenset[Path]:
        """Return the directories whose changes matter; for a missing one, its nearest parent."""
        return frozenset(self.root.path / self._nearest(directory) for directory in self.watched)

    def _nearest(self, directory: str) -> str:
        while directory and not isinstance(self._parent(directory), Found):
            directory = directory.rpartition("/")[0]
        return directory

    def report(self, refusal: Refusal, path: str) -> None:
        """Note an error of the whole snapshot: a directory that was not looked through."""
        if refusal is TOO_MANY_ENTRIES:
            self.errors.append(f"scan_budget:{self.root.name}")
        else:
            self.errors.append(f"{refusal.reason}:{self.root.source(path)}")

    def _leads_to_private(self, path: str) -> bool:
        """Whether a link was laid to what must not leave the workspace under another name."""
        real = self.real_path(path)
        return real is not None and real != path and is_private(real)

    def names_in(self, path: str, found: Found, entries_max: int) -> tuple[str, ...] | Refusal:
        """Return the sorted names in a directory; `too_many_entries` past the limit.

        What all listings of the root may come to is limited too; the order in which a root is
        looked through is always the same, so the same tree is always cut at the same place.
        """
        names = self._listed(path, found, entries_max)
        if isinstance(names, Refusal):
            return names
        self._entries_left -= len(names)
        if self._entries_left >= 0:
            return names
        self.report(TOO_MANY_ENTRIES, path)
        return TOO_MANY_ENTRIES

    def _listed(self, path: str, found: Found, entries_max: int) -> tuple[str, ...] | Refusal:
        self.watched.add(path)
        place = (self.root.name, path)
        known = self._cache.listing(place, found.key)
        if known is not None:
            return known
        listing = self._reader.list_directory(self._handle, path, entries_max)
        self._stats.directories_listed += 1
        if isinstance(listing, Refusal):
            return listing
        self._note(path, found, listing.key)
        if listing.is_cut:
            return TOO_MANY_ENTRIES
        if self._cache.is_at_rest(listing.key):
            self._cache.remember_listing(place, listing.key, listing.names)
        return listing.names

    def own_names(self, entries_max: int) -> tuple[str, ...] | Refusal:
        """Return the names in the root itself; they matter beside the manifest only."""
        own = self._parents[""]
        assert isinstance(own, Found)
        self.trace.saw_own_listing(own.key)
        known = self._cache.listing((self.root.name, ""), own.key)
        if known is not None:
            return known
        listing = self._reader.list_directory(self._handle, "", entries_max)
        self._stats.directories_listed += 1
        if isinstance(listing, Refusal):
            return listing
        if self._cache.is_at_rest(listing.key):
            self._cache.remember_listing((self.root.name, ""), listing.key, listing.names)
        return TOO_MANY_ENTRIES if listing.is_cut else listing.names

    def read(
        self, purpose: Purpose, path: str, found: Found, bytes_max: int, parse: ParseFile
    ) -> FileReading:
        """Return what `parse` makes of a file, remembered for as long as the file is unchanged."""
        if not found.key.is_file:
            return FileReading(NOT_REGULAR.status, NOT_REGULAR.reason)
        place = (self.root.name, path)
        known = self._cache.reading(purpose, place, found.key)
        if known is not None:
            return known
        if found.is_linked and self._leads_to_private(path):
            return FileReading(Status.INVALID, "private_target")
        content = self._reader.read_file(self._handle, path, bytes_max)
        if isinstance(content, Refusal):
            return self._refused(purpose, path, found, content)
        self._stats.files_read += 1
        self._stats.bytes_read += len(content.content)
        self._note(path, found, content.key)
        reading = _with_links(parse(content.content), content)
        if self._cache.is_at_rest(content.key):
            self._cache.remember(purpose, place, content.key, reading)
            return reading
        return replace(reading, held=content.content)

    def _refused(self, purpose: Purpose, path: str, found: Found, refusal: Refusal) -> FileReading:
        digest = None
        if refusal.status is Status.OVERSIZE and purpose is Purpose.SKILL_FILE:
            hashed = self._reader.hash_file(self._handle, path, OVERSIZE_HASHED_BYTES_MAX)
            self._stats.files_read += 1
            if isinstance(hashed, Refusal):
                refusal = hashed
            else:
                self._note(path, found, hashed.key)
                found, digest = Found(hashed.key, found.is_linked), hashed.digest
        reading = FileReading(
            refusal.status, refusal.reason, digest=digest, size_bytes=refusal.size_bytes
        )
        if refusal.reason in _UNSETTLED_REASONS:
            self.trace.is_settled = False
        elif refusal.status is Status.OVERSIZE and self._cache.is_at_rest(found.key):
            self._cache.remember(purpose, (self.root.name, path), found.key, reading)
        elif refusal.status is Status.OVERSIZE:
            self.trace.is_settled = False
        return reading

    def _note(self, path: str, found: Found, key: StatKey) -> None:
        """Note the state that was really read, which may be newer than the one looked at."""
        if found.is_linked:
            self.trace.saw_linked(path, key)
        else:
            self.trace.saw(path, key)
        if not self._cache.is_at_rest(key):
            self.trace.is_settled = False


def _found(seen: Seen, *, is_linked: bool = False) -> Found | Refusal | None:
    if isinstance(seen, StatKey):
        return Found(seen, is_linked)
    return None if seen in _ABSENT else refusal_for(OSError(seen, ""))


def _with_links(reading: FileReading, content: FileContent) -> FileReading:
    if content.links == 1:
        return reading
    return replace(reading, findings=(Finding("multiple_links"), *reading.findings))


__all__ = ["TOO_MANY_ENTRIES", "Found", "ReadStats", "RootView"]
