"""The sources a user declared, in a small state file that survives a restart.

The file is replaced whole and is readable by its owner only. Two processes that change it at once
take turns; the order of declaration is the order of precedence.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from driftpin.agent.roots import DeclaredSource, check_label
from driftpin.errors import Conflict, Malformed, NotFound, Rejected
from driftpin.limits import DECLARED_SOURCES_MAX

_VERSION: Final = 1


class SourceFile:
    """The declared sources of one workspace, kept at `path`."""

    def __init__(self, path: Path) -> None:
        """Work on the file at `path`, which need not exist yet."""
        self._path = path

    def list(self) -> tuple[DeclaredSource, ...]:
        """Return the declared sources in their order; raise Malformed if the file is broken."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ()
        try:
            return _sources_in(text)
        except (ValueError, KeyError, TypeError) as error:
            raise Malformed(
                f"{str(self._path)!r} is not a list of sources; repair or remove it",
                code="bad_state_file",
            ) from error

    def add(self, label: str, path: Path) -> DeclaredSource:
        """Declare the directory at `path`, last in precedence among the declared.

        Raise Rejected for a label that cannot be one, for what is not a directory, or for one too
        many; Conflict if the label is taken.
        """
        check_label(label)
        added = DeclaredSource(label, Path(os.path.realpath(path)))
        if not added.path.is_dir():
            raise Rejected(f"{str(path)!r} is not a directory", code="not_a_directory")
        with self._changing() as sources:
            if any(source.label == label for source in sources):
                raise Conflict(f"a source named {label!r} is declared already", code="source_taken")
            if len(sources) >= DECLARED_SOURCES_MAX:
                raise Rejected(f"at most {DECLARED_SOURCES_MAX} sources", code="too_many_sources")
            self._write((*sources, added))
        return added

    def remove(self, label: str) -> None:
        """Forget the source of that label; raise NotFound if there is none."""
        with self._changing() as sources:
            kept = tuple(source for source in sources if source.label != label)
            if len(kept) == len(sources):
                raise NotFound(f"no source is named {label!r}", code="no_such_source")
            self._write(kept)

    @contextmanager
    def _changing(self) -> Iterator[tuple[DeclaredSource, ...]]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(f"{self._path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.list()
        finally:
            os.close(lock)

    def _write(self, sources: tuple[DeclaredSource, ...]) -> None:
        listed = [{"label": source.label, "path": str(source.path)} for source in sources]
        handle, temporary = tempfile.mkstemp(prefix=self._path.name, dir=self._path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"v": _VERSION, "sources": listed}, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _sources_in(text: str) -> tuple[DeclaredSource, ...]:
    document = json.loads(text)
    if document["v"] != _VERSION:
        raise ValueError(document["v"])
    return tuple(
        DeclaredSource(str(entry["label"]), Path(str(entry["path"])))
        for entry in document["sources"]
    )


__all__ = ["SourceFile"]
