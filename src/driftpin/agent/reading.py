"""Reading a file or a directory beneath a root: bounded, regular files only, never torn.

What cannot be read is a `Refusal`, a value with the status and the fixed reason that the resource
gets; no text of the operating system and no path travels in it. Only a lack of descriptors or
memory is raised: that says nothing about a file, and must not make a workspace look empty.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from driftpin.agent.beneath import HANDLE_FLAGS, Opener
from driftpin.agent.exhaustion import is_exhaustion
from driftpin.context.resource import Status
from driftpin.identity import Digest
from driftpin.limits import KIB, READ_TRIES_MAX

Taken = TypeVar("Taken", bound=object)

_FILE_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LISTING_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_DIRECTORY | os.O_CLOEXEC
_CHUNK_BYTES: Final = 256 * KIB


class StatKey(NamedTuple):
    """What tells one state of a file from another; every change of bytes changes it.

    A tuple, because thousands are made and compared in every rescan.
    """

    device: int
    inode: int
    mode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link itself."""
        return stat.S_ISLNK(self.mode)

    @property
    def is_executable(self) -> bool:
        """Whether its owner may execute it."""
        return bool(self.mode & stat.S_IXUSR)


def key_of(found: os.stat_result) -> StatKey:
    """Return the key of what was stat-ed."""
    return StatKey(
        found.st_dev,
        found.st_ino,
        found.st_mode,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was not read, as its resource says it."""

    status: Status
    reason: str
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class FileContent:
    """The bytes of a file in the state that `key` names; `links` counts its names."""

    content: bytes
    key: StatKey
    links: int


@dataclass(frozen=True, slots=True)
class FileDigest:
    """The digest of a file too large to keep, None if it is too large to hash as well."""

    digest: Digest | None
    key: StatKey


@dataclass(frozen=True, slots=True)
class Listing:
    """The sorted names in a directory in the state that `key` names.

    `is_cut`: there are more than were asked for, and none is given, since which ones came first
    would depend on the file system.
    """

    names: tuple[str, ...]
    key: StatKey
    is_cut: bool = False


NOT_REGULAR: Final = Refusal(Status.INVALID, "not_regular")
UNSTABLE: Final = Refusal(Status.UNREADABLE, "unstable")

_REFUSALS: Final = {
    errno.EXDEV: Refusal(Status.INVALID, "path_escape"),
    errno.ELOOP: Refusal(Status.UNREADABLE, "link_loop"),
    errno.ENOENT: Refusal(Status.UNREADABLE, "not_found"),
    errno.ENOTDIR: Refusal(Status.UNREADABLE, "not_found"),
    errno.EACCES: Refusal(Status.UNREADABLE, "permission"),
    errno.EPERM: Refusal(Status.UNREADABLE, "permission"),
    errno.ENXIO: NOT_REGULAR,
    errno.ENODEV: NOT_REGULAR,
    errno.EISDIR: NOT_REGULAR,
    errno.EAGAIN: UNSTABLE,
    errno.ESTALE: UNSTABLE,
}
_IO_ERROR: Final = Refusal(Status.UNREADABLE, "io_error")


def refusal_for(error: OSError) -> Refusal:
    """Return what an error of the file system means for a resource; raise it if nothing."""
    if is_exhaustion(error):
        raise error
    return _REFUSALS.get(error.errno or errno.EIO, _IO_ERROR)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads beneath a root. `is_strict` also refuses hard links and files of another mount.

    Another mount is told by its device: a bind mount of the same file system is not seen as one.
    `read` is the source of bytes, as `os.read`.
    """

    opener: Opener
    is_strict: bool = False
    read: Callable[[int, int], bytes] = os.read

    def stat_key(self, root: int, path: str) -> StatKey:
        """Return the key of what a path leads to, links inside followed; raise as an opener."""
        descriptor = self.opener.open(root, path, HANDLE_FLAGS)
        try:
            return key_of(os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def read_file(self, root: int, path: str, bytes_max: int) -> FileContent | Refusal:
        """Return all bytes of a regular file of at most `bytes_max`."""

        def take(descriptor: int, before: os.stat_result) -> FileContent | Refusal:
            if before.st_size > bytes_max:
                return Refusal(Status.OVERSIZE, "too_large", before.st_size)
            content = self._read_up_to(descriptor, bytes_max + 1)
            if len(content) > bytes_max:
                return Refusal(Status.OVERSIZE, "too_large", os.fstat(descriptor).st_size)
            return FileContent(content, key_of(before), before.st_nlink)

        return self._settled(root, path, take)

    def hash_file(self, root: int, path: str, bytes_max: int) -> FileDigest | Refusal:
        """Return the digest of a regular file of at most `bytes_max`, held in memory by chunks."""

        def take(descriptor: int, before: os.stat_result) -> FileDigest:
            digest = self._hash(descriptor, bytes_max) if before.st_size <= bytes_max else None
            return FileDigest(digest, key_of(before))

        return self._settled(root, path, take)

    def list_directory(self, root: int, path: str, entries_max: int) -> Listing | Refusal:
        """Return the names in a directory; past `entries_max` reading it stops."""
        try:
            descriptor = self.opener.open(root, path or ".", _LISTING_FLAGS)
        except OSError as error:
            return refusal_for(error)
        try:
            key = key_of(os.fstat(descriptor))
            names = _some_names(descriptor, entries_max + 1)
        except OSError as error:
            return refusal_for(error)
        finally:
            os.close(descriptor)
        is_cut = len(names) > entries_max
        return Listing(() if is_cut else tuple(sorted(names)), key, is_cut)

    def _settled(
        self, root: int, path: str, take: Callable[[int, os.stat_result], Taken | Refusal]
    ) -> Taken | Refusal:
        """Take from a file that is the same before and after; try again while it is not."""
        for _ in range(READ_TRIES_MAX):
            try:
                taken = self._taken_once(root, path, take)
            except OSError as error:
                return refusal_for(error)
            if taken is not None:
                return taken
        return UNSTABLE

    def _taken_once(
        self, root: int, path: str, take: Callable[[int, os.stat_result], Taken | Refusal]
    ) -> Taken | Refusal | None:
        descriptor = self.opener.open(root, path, _FILE_FLAGS)
        try:
            before = os.fstat(descriptor)
            refusal = self._refusal_of(before, root)
            if refusal is not None:
                return refusal
            taken = take(descriptor, before)
            is_settled = key_of(os.fstat(descriptor)) == key_of(before)
        finally:
            os.close(descriptor)
        return taken if is_settled else None

    def _refusal_of(self, found: os.stat_result, root: int) -> Refusal | None:
        if not stat.S_ISREG(found.st_mode):
            return NOT_REGULAR
        if self.is_strict and found.st_nlink > 1:
            return Refusal(Status.INVALID, "hard_link", found.st_size)
        if self.is_strict and found.st_dev != os.fstat(root).st_dev:
            return Refusal(Status.INVALID, "cross_mount", found.st_size)
        return None

    def _read_up_to(self, descriptor: int, bytes_max: int) -> bytes:
        chunks = []
        missing = bytes_max
        while missing > 0:
            chunk = self.read(descriptor, min(missing, _CHUNK_BYTES))
            if not chunk:
                break
            chunks.append(chunk)
            missing -= len(chunk)
        return b"".join(chunks)

    def _hash(self, descriptor: int, bytes_max: int) -> Digest | None:
        hashed = hashlib.sha256()
        hashed_bytes = 0
        while chunk := self.read(descriptor, _CHUNK_BYTES):
            hashed.update(chunk)
            hashed_bytes += len(chunk)
            if hashed_bytes > bytes_max:
                return None
        return Digest(f"sha256:{hashed.hexdigest()}")


def _some_names(descriptor: int, names_max: int) -> list[str]:
    with os.scandir(descriptor) as entries:
        return [entry.name for entry in islice(entries, names_max)]


__all__ = [
    "NOT_REGULAR",
    "UNSTABLE",
    "FileContent",
    "FileDigest",
    "Listing",
    "Reader",
    "Refusal",
    "StatKey",
    "key_of",
    "refusal_for",
]
