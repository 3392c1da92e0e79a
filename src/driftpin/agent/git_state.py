"""Whether git is in the middle of changing the working tree."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GITDIR_BYTES_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class GitLock:
    """What a lock on an index looked like; a lock that git still writes to changes."""

    inode: int
    changed_ns: int


def find_index_lock(workspace: Path) -> GitLock | None:
    """Return the lock on the index of the repository whose working tree is `workspace`.

    None also where that cannot be told: a workspace that was closed to this user, say.
    """
    try:
        git_directory = _git_directory(workspace)
        status = (git_directory / "index.lock").lstat() if git_directory else None
    except (OSError, ValueError):
        return None
    return GitLock(status.st_ino, status.st_ctime_ns) if status else None


def _git_directory(workspace: Path) -> Path | None:
    entry = workspace / ".git"
    if entry.is_dir():
        return entry
    # A linked working tree has a file in place of the directory: "gitdir: <path>".
    label, _, target = _read_pointer(entry).partition(": ")
    return workspace / target if label == "gitdir" and target else None


def _read_pointer(entry: Path) -> str:
    try:
        # Without O_NONBLOCK a named pipe of this name would hold the agent for ever.
        descriptor = os.open(entry, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return os.read(descriptor, GITDIR_BYTES_MAX).decode("utf-8", errors="replace").strip()
    except OSError:
        return ""
    finally:
        os.close(descriptor)


__all__ = ["GitLock", "find_index_lock"]
