"""The directory that a command was pointed at."""

from pathlib import Path

from driftpin.errors import UsageError


def get_directory(directory: Path) -> Path:
    """Return the directory, absolute and without links; UsageError unless it is one."""
    try:
        path = directory.expanduser().resolve()
    except RuntimeError as failure:
        raise UsageError(f"{str(directory)!r}: {failure}") from failure
    if not path.is_dir():
        raise UsageError(
            f"{str(directory)!r} is not a directory; name the one to work in.",
            code="no_such_directory",
        )
    return path


def find_home() -> Path | None:
    """Return the user's home directory; None where the system tells none."""
    try:
        return Path.home()
    except RuntimeError:
        return None


__all__ = ["find_home", "get_directory"]
