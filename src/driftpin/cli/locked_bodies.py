"""The bytes that a lock names, as far as they can still be had: from the directory, or from git.

A lock holds digests only. Where the repository has the commit that wrote the lock, the files of
that commit are looked at too, so that an edit of white space can be told from one of words. What
is found counts only if it has the locked digest; what is not found is judged as unread. A partial
clone is not asked: git would fetch what it lacks, and nothing here uses a network.
"""

from functools import cached_property
from pathlib import Path
from subprocess import SubprocessError

from driftpin.cli.locked_paths import paths_in
from driftpin.context.bodies import BodyReader
from driftpin.context.lock import Lock
from driftpin.errors import DriftpinError
from driftpin.identity import Digest, digest_of
from driftpin.review.repository import Repository


class LockedBodies:
    """Bytes by digest: those that were found, else those that were committed with the lock."""

    def __init__(self, directory: Path, place: Path, lock: Lock, found: BodyReader) -> None:
        """Look beside `place`, the file of `lock`, for what `found` does not have."""
        self._directory = directory
        self._place = place
        self._lock = lock
        self._found = found

    def find(self, digest: Digest) -> bytes | None:
        """Return the bytes; None where they cannot be had."""
        content = self._found(digest)
        return self._committed.get(digest) if content is None else content

    @cached_property
    def _committed(self) -> dict[Digest, bytes]:
        """The files of the commit that last wrote the lock; none where that is not known."""
        try:
            repository = Repository(self._directory)
            if repository.is_partial:
                return {}
            place = str(self._place.resolve())
            commit = repository.run("rev-list", "-1", "HEAD", "--", place).strip()
            if not commit:
                return {}
            tree = repository.list_tree(commit)
            paths = paths_in(repository, self._directory, self._lock)
            contents = repository.read_blobs(tree[path].blob for path in paths if path in tree)
        except (DriftpinError, OSError, SubprocessError, ValueError):
            return {}
        return {digest_of(content): content for content in contents.values()}


__all__ = ["LockedBodies"]
