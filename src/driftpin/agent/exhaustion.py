"""Telling a lack of memory, descriptors or threads from everything else that can fail.

It says nothing about the workspace, so it never becomes a status: what met it is tried again, and
when that does not help the process ends, so that whoever watches over it starts a fresh one.
"""

import errno
from typing import Final

_NUMBERS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_NO_THREAD: Final = "can't start new thread"


def is_exhaustion(error: BaseException) -> bool:
    """Whether the process, or the machine, ran out of something."""
    match error:
        case MemoryError():
            return True
        case OSError(errno=number):
            return number in _NUMBERS
        case RuntimeError():
            return _NO_THREAD in str(error)
        case _:
            return False


__all__ = ["is_exhaustion"]
