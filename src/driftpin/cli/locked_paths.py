"""The files that a lock speaks of, as git names them."""

from collections.abc import Iterator
from pathlib import Path
from subprocess import SubprocessError

from driftpin.agent.roots import WORKSPACE_LABEL
from driftpin.context.lock import Lock
from driftpin.context.resource import Kind, SkillBody
from driftpin.errors import DriftpinError
from driftpin.review.repository import Repository


def paths_in(repository: Repository, directory: Path, lock: Lock) -> tuple[str, ...]:
    """Return the locked files of a directory by their paths below the repository's top.

    Raises ValueError where the directory is not below it.
    """
    inside = directory.relative_to(repository.directory.resolve())
    return tuple(str(inside / path) for path in _paths(lock))


def find_untracked(directory: Path, lock: Lock) -> tuple[str, ...]:
    """Return the locked files that no checkout will have; none where there is no repository."""
    try:
        repository = Repository(directory)
        paths = paths_in(repository, directory, lock)
        tracked = set(repository.run("ls-files", "-z", "--full-name").split("\0"))
    except (DriftpinError, OSError, SubprocessError, ValueError):
        return ()
    return tuple(path for path in paths if path not in tracked)


def _paths(lock: Lock) -> Iterator[str]:
    for resource in lock.resources:
        label, _, path = resource.source.partition(":")
        if label != WORKSPACE_LABEL:
            continue
        if isinstance(resource.body, SkillBody):
            yield from (f"{path}/{file.path}" for file in resource.body.files)
        elif resource.kind is not Kind.SKILL:
            yield path


__all__ = ["find_untracked", "paths_in"]
