"""The file of a lock: read without following a link, replaced whole."""

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from driftpin import limits
from driftpin.context.lock import Lock
from driftpin.errors import DriftpinError, NotFound, Rejected
from driftpin.wire.lock import read_lock

LOCK_NAME: Final = "driftpin.lock"
_READ_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
# The umask of whoever runs the command takes from it, as from every file of a checkout.
_MODE: Final = 0o666


def load_lock(place: Path) -> Lock:
    """Return the lock at a place.

    Raises NotFound (`no_lock`), Rejected (`lock_not_regular`) for a link, a directory or a pipe,
    and whatever `wire.lock.read_lock` refuses, its message beginning with the place.
    """
    content = find_lock_bytes(place)
    if content is None:
        raise NotFound(
            f"{str(place)!r}: there is no lock; `driftpin lock` writes it.", code="no_lock"
        )
    try:
        return read_lock(content)
    except DriftpinError as refusal:
        refusal.message = f"{str(place)!r}: {refusal.message}{_where(refusal)}"
        raise


def find_lock_bytes(place: Path) -> bytes | None:
    """Return the bytes at a place, one past the limit at the most; None where nothing is."""
    try:
        handle = os.open(place, _READ_FLAGS)
    except FileNotFoundError:
        return None
    except OSError as failure:
        if failure.errno in (errno.ELOOP, errno.ENXIO):
            raise _not_regular(place) from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise _not_regular(place)
        with os.fdopen(handle, "rb", closefd=False) as opened:
            return opened.read(limits.LOCK_BYTES_MAX + 1)
    finally:
        os.close(handle)


def replace_lock(place: Path, content: bytes) -> bool:
    """Put a lock in place whole, and return whether its bytes changed.

    Whatever ends the process, the place holds the old lock or the new one.
    """
    if find_lock_bytes(place) == content:
        return False
    building = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    handle = os.open(building, _WRITE_FLAGS, _MODE)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(handle)
        building.replace(place)
    except BaseException:
        with suppress(FileNotFoundError):
            building.unlink()
        raise
    directory = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True


def _not_regular(place: Path) -> Rejected:
    return Rejected(
        f"{str(place)!r} is no regular file; a lock is never read or written through a link.",
        code="lock_not_regular",
    )


def _where(refusal: DriftpinError) -> str:
    told = [refusal.code]
    if refusal.fields.get("pointer"):
        told.append(f"at {refusal.fields['pointer']}")
    if refusal.fields.get("offset") is not None:
        told.append(f"at byte {refusal.fields['offset']}")
    if refusal.fields.get("key"):
        told.append(f"key {refusal.fields['key']}")
    return f" ({', '.join(told)})"


__all__ = ["LOCK_NAME", "find_lock_bytes", "load_lock", "replace_lock"]
