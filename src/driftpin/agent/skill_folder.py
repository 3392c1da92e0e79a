"""All files of a skill's folder: they are part of the skill, so a change in one is a change of it.

Some names are ignored, so that running a script does not change its skill.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from driftpin.agent.candidate import BlobPlace
from driftpin.agent.instruction_files import BAD_NAME
from driftpin.agent.judging import SKILL_TEXT_NAME, judge_skill_file
from driftpin.agent.names import fitted, is_bad_name, is_too_long, joined, shown_name
from driftpin.agent.reading import UNSTABLE, Refusal
from driftpin.agent.root_view import TOO_MANY_ENTRIES, Found, RootView
from driftpin.agent.stat_cache import FileReading, Purpose
from driftpin.context.resource import Finding, SkillFile, Status
from driftpin.limits import (
    SKILL_BYTES_MAX,
    SKILL_DEPTH_MAX,
    SKILL_FILE_BYTES_MAX,
    SKILL_FILES_LISTED_MAX,
    SKILL_FILES_MAX,
    SKILL_FOLDER_ENTRIES_MAX,
)

_IGNORED: Final = {
    "version_control": re.compile(r"\.(?:git|hg|svn|jj|bzr)|CVS|_darcs"),
    "cache": re.compile(
        r"__pycache__|\.(?:mypy|ruff|pytest|hypothesis)_cache|\.cache|\.venv|\.tox|\.nox"
    ),
    "bytecode": re.compile(r".*\.py[co]|.*\.class"),
    "node_modules": re.compile(r"node_modules"),
    "editor": re.compile(
        r"\.idea|\.vscode|\.DS_Store|Thumbs\.db|desktop\.ini|.*~|\.#.*|#.*#|.*\.sw[a-p]|4913"
    ),
}
TOO_MANY_FILES: Final = Refusal(Status.OVERSIZE, "too_many_files")
TOO_DEEP: Final = Refusal(Status.EXCLUDED, "too_deep")
LINK_LOOP: Final = Refusal(Status.INVALID, "link_loop")
TOO_LONG: Final = Refusal(Status.EXCLUDED, "source_too_long")


def ignored_rule(name: str) -> str | None:
    """Return which rule ignores a name in a skill's folder, None if none does."""
    for rule, pattern in _IGNORED.items():
        if pattern.fullmatch(name) is not None:
            return rule
    return None


@dataclass(frozen=True, slots=True)
class SkillFolder:
    """The files of a folder, ordered by path, with what is needed to push the ok ones."""

    files: tuple[SkillFile, ...]
    blobs: tuple[BlobPlace, ...]
    size_bytes: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Member:
    """One file with its path below the folder, and how reading it went."""

    path: str
    place: str
    executable: bool
    reading: FileReading


def read_skill_folder(
    view: RootView, path: str, found: Found, text: FileReading
) -> SkillFolder | Refusal:
    """Return the files of a skill whose `SKILL.md` was read already.

    A refusal refuses the whole skill: its folder could not be listed, or holds too much to list.
    """
    try:
        members = list(islice(_Folder(view, path, text).members(found), SKILL_FILES_LISTED_MAX + 1))
    except _RefusedError as refused:
        return refused.refusal
    if len(members) > SKILL_FILES_LISTED_MAX:
        return TOO_MANY_FILES
    if not any(member.path == SKILL_TEXT_NAME and _is_ok(member) for member in members):
        return UNSTABLE
    return _capped(view, sorted(members, key=lambda each: each.path))


def _is_ok(member: _Member) -> bool:
    return member.reading.status is Status.OK


class _RefusedError(Exception):
    """Leaves the walk of a folder; never leaves this module."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class _Folder:
    """One walk through a folder, bounded in entries and depth; links inside the root count."""

    def __init__(self, view: RootView, path: str, text: FileReading) -> None:
        self._view = view
        self._path = path
        self._text = text
        self._entries_left = SKILL_FOLDER_ENTRIES_MAX

    def members(self, found: Found) -> Iterator[_Member]:
        yield from self._inside("", found, ())

    def _inside(
        self, directory: str, found: Found, outer: tuple[tuple[int, int], ...]
    ) -> Iterator[_Member]:
        identity = (found.key.device, found.key.inode)
        if identity in outer:
            yield self._refused(directory, LINK_LOOP)
            return
        if len(outer) > SKILL_DEPTH_MAX:
            yield self._refused(directory, TOO_DEEP)
            return
        for name in self._names(directory, found):
            if ignored_rule(name) is None:
                yield from self._member(joined(directory, name), (*outer, identity))

    def _names(self, directory: str, found: Found) -> tuple[str, ...]:
        place = joined(self._path, directory) if directory else self._path
        names = self._view.names_in(place, found, self._entries_left)
        if isinstance(names, Refusal):
            raise _RefusedError(TOO_MANY_FILES if names is TOO_MANY_ENTRIES else names)
        self._entries_left -= len(names)
        if self._entries_left < 0:
            raise _RefusedError(TOO_MANY_FILES)
        return names

    def _member(self, path: str, outer: tuple[tuple[int, int], ...]) -> Iterator[_Member]:
        if is_bad_name(path):
            yield self._refused(path, BAD_NAME)
            return
        place = joined(self._path, path)
        found = self._view.look(place)
        if isinstance(found, Refusal):
            yield self._refused(path, found)
        elif found is not None and found.key.is_directory:
            yield from self._inside(path, found, outer)
        elif found is not None:
            yield _Member(path, place, found.key.is_executable, self._read(path, place, found))

    def _read(self, path: str, place: str, found: Found) -> FileReading:
        if path == SKILL_TEXT_NAME:
            return self._text
        if is_too_long(path):
            return FileReading(TOO_LONG.status, TOO_LONG.reason)
        return self._view.read(
            Purpose.SKILL_FILE, place, found, SKILL_FILE_BYTES_MAX, judge_skill_file(path)
        )

    def _refused(self, path: str, refusal: Refusal) -> _Member:
        reading = FileReading(refusal.status, refusal.reason)
        return _Member(shown_name(path), joined(self._path, path), False, reading)  # noqa: FBT003 (what cannot be read is not executable)


def _capped(view: RootView, members: list[_Member]) -> SkillFolder:
    """Apply the caps of one skill in the order of paths; `SKILL.md` itself always comes first."""
    files: dict[str, SkillFile] = {}
    blobs: list[BlobPlace] = []
    size_bytes = 0
    for member in sorted(members, key=lambda each: each.path != SKILL_TEXT_NAME):
        reading = _within_caps(member.reading, len(blobs), size_bytes)
        path = fitted(member.path)
        files[path] = SkillFile(
            path, member.executable, reading.digest, reading.status, reading.reason
        )
        if reading.status is Status.OK and reading.digest is not None:
            taken_bytes = reading.size_bytes or 0
            size_bytes += taken_bytes
            blobs.append(
                BlobPlace(view.root, member.place, reading.digest, taken_bytes, reading.held)
            )
    findings = [each for member in members for each in _findings_of(member)]
    return SkillFolder(
        tuple(sorted(files.values(), key=lambda file: file.path)),
        tuple(blobs),
        size_bytes,
        tuple(findings),
    )


def _within_caps(reading: FileReading, files: int, size_bytes: int) -> FileReading:
    if reading.status is not Status.OK:
        return reading
    if files >= SKILL_FILES_MAX:
        return replace(reading, status=Status.EXCLUDED, reason="skill_files_cap")
    if size_bytes + (reading.size_bytes or 0) > SKILL_BYTES_MAX:
        return replace(reading, status=Status.EXCLUDED, reason="skill_bytes_cap")
    return reading


def _findings_of(member: _Member) -> tuple[Finding, ...]:
    if member.path == SKILL_TEXT_NAME:
        return ()
    return tuple(
        finding if finding.path else replace(finding, path=member.path)
        for finding in member.reading.findings
    )


__all__ = ["SkillFolder", "ignored_rule", "read_skill_folder"]
