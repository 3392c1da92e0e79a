"""Opening a path beneath a directory handle, without ever following a link out of it.

Two ways with one behaviour: the kernel's `openat2`, and a walk that opens one component after the
other without following and reads links itself. Both follow links that stay inside, and both refuse
with an OSError whose number says why: EXDEV leads outside (absolute links and magic links too),
ELOOP more links than the limit. Linked parents count like a linked last component.
"""

import ctypes
import errno
import os
import stat
import sys
from collections import deque
from types import TracebackType
from typing import Final, Protocol, Self

from driftpin.limits import LINKS_FOLLOWED_MAX, OPEN_TRIES_MAX

_SYS_OPENAT2: Final = 437
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_BENEATH: Final = 0x08
# A handle that reads nothing; where there is no such thing, one that at least never waits.
_HANDLE_ONLY: Final = os.O_PATH if sys.platform == "linux" else os.O_NONBLOCK
HANDLE_FLAGS: Final = _HANDLE_ONLY | os.O_CLOEXEC
DIRECTORY_HANDLE_FLAGS: Final = HANDLE_FLAGS | os.O_DIRECTORY | os.O_NOFOLLOW
_AGAIN: Final = frozenset({errno.EAGAIN, errno.EINTR})


class Opener(Protocol):
    """A way to open beneath a handle."""

    def open(self, root: int, path: str, flags: int) -> int:
        """Return a descriptor that the caller closes; raise OSError (see the module)."""


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def _refuse_zero(path: str) -> None:
    """Refuse a path with a zero character: no file has one, and C takes it for the end."""
    if "\0" in path:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))


class KernelOpener:
    """Opens with `openat2` (Linux 5.6 and newer)."""

    def __init__(self) -> None:
        """Bind the C library; needs Linux."""
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall
        self._syscall.restype = ctypes.c_long

    def open(self, root: int, path: str, flags: int) -> int:
        """Open beneath the handle in one call of the kernel."""
        _refuse_zero(path)
        try:
            return self._open(root, path, flags, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        # The kernel calls a magic link a loop; without that rule it is what it is, a way outside.
        os.close(self._open(root, path, HANDLE_FLAGS, _RESOLVE_BENEATH))
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))

    def _open(self, root: int, path: str, flags: int, resolve: int) -> int:
        how = _OpenHow(flags, 0, resolve)
        number = errno.EAGAIN
        for _ in range(OPEN_TRIES_MAX):
            descriptor = self._syscall(
                ctypes.c_long(_SYS_OPENAT2),
                ctypes.c_int(root),
                ctypes.c_char_p(os.fsencode(path)),
                ctypes.byref(how),
                ctypes.c_size_t(ctypes.sizeof(how)),
            )
            if descriptor != -1:
                return int(descriptor)
            number = ctypes.get_errno()
            if number not in _AGAIN:
                break
        raise OSError(number, os.strerror(number))


class WalkingOpener:
    """Opens component by component, for kernels that lack `openat2`."""

    def open(self, root: int, path: str, flags: int) -> int:
        """Open beneath the handle; each component is opened without following a link."""
        with _Walk(root) as walk:
            return walk.open(path, flags)


class _Walk:
    """One walk: the directories from the root down to the present place, and their names."""

    def __init__(self, root: int) -> None:
        self._handles = [os.dup(root)]
        self.names: list[str] = []
        self._links = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            os.close(handle)

    def open(self, path: str, flags: int) -> int:
        _refuse_zero(path)
        pending = deque(path.split("/"))
        while pending:
            part = pending.popleft()
            if part in {"", "."}:
                continue
            if part == "..":
                self._leave()
                continue
            target = self._link_at(part)
            if target is not None:
                pending.extendleft(reversed(target.split("/")))
            elif any(rest not in {"", "."} for rest in pending):
                self._enter(part)
            else:
                self.names.append(part)
                return self._open_last(part, flags)
        return os.open(".", flags, dir_fd=self._handles[-1])

    def _leave(self) -> None:
        if not self.names:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        self.names.pop()
        os.close(self._handles.pop())

    def _enter(self, part: str) -> None:
        self._handles.append(os.open(part, DIRECTORY_HANDLE_FLAGS, dir_fd=self._handles[-1]))
        self.names.append(part)

    def _link_at(self, part: str) -> str | None:
        try:
            target = os.readlink(part, dir_fd=self._handles[-1])
        except OSError as error:
            if error.errno == errno.EINVAL:
                return None
            raise
        self._links += 1
        if self._links > LINKS_FOLLOWED_MAX:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if target.startswith("/"):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return target

    def _open_last(self, part: str, flags: int) -> int:
        descriptor = os.open(part, flags | os.O_NOFOLLOW, dir_fd=self._handles[-1])
        # With O_PATH a link that took the place of a file meanwhile is opened itself.
        if flags & _HANDLE_ONLY and stat.S_ISLNK(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return descriptor


def real_path(root: int, path: str) -> str:
    """Return where a path leads to, relative to the root and through no link; raise as an opener.

    For names only: what is read is opened by an opener, which asks the file system again.
    """
    with _Walk(root) as walk:
        os.close(walk.open(path, HANDLE_FLAGS))
        return "/".join(walk.names)


def detected_opener() -> Opener:
    """Return the kernel's way where it works here (a sandbox may forbid it), else the walk."""
    if sys.platform != "linux":
        return WalkingOpener()
    kernel = KernelOpener()
    root = os.open("/", HANDLE_FLAGS | os.O_DIRECTORY)
    try:
        os.close(kernel.open(root, ".", HANDLE_FLAGS))
    except OSError:
        return WalkingOpener()
    finally:
        os.close(root)
    return kernel


__all__ = [
    "DIRECTORY_HANDLE_FLAGS",
    "HANDLE_FLAGS",
    "KernelOpener",
    "Opener",
    "WalkingOpener",
    "detected_opener",
    "real_path",
]
