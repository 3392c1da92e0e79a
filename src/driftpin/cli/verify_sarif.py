"""What differs from a lock as SARIF 2.1.0: a rule per kind of change, the files as locations."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from driftpin import __version__
from driftpin.agent.roots import WORKSPACE_LABEL
from driftpin.cli.lock_file import find_lock_bytes
from driftpin.cli.lock_scope import Found
from driftpin.context.drift import Change, Drift, DriftEntry
from driftpin.context.lock import Lock
from driftpin.context.resource import Finding, Kind
from driftpin.context.severity import Severity
from driftpin.identity import DIGEST_PREFIX, digest_of
from driftpin.wire.sarif import Part, file_location, sarif_document

_RULES: Final[Mapping[Change, str]] = {
    Change.ADDED: "A resource is in the context that the lock does not list.",
    Change.REMOVED: "A locked resource is no longer in the context.",
    Change.MODIFIED: "A resource has other contents than the lock says.",
    Change.RENAMED: "A locked resource is found under another name.",
    Change.STATUS: "A resource is usable where the lock says that it is not, or the reverse.",
}
_LEVELS: Final[Mapping[Severity, str]] = {
    Severity.COSMETIC: "note",
    Severity.NOTATION: "note",
    Severity.ADDITIVE: "warning",
    Severity.BEHAVIOURAL: "warning",
    Severity.RISKY: "error",
}


@dataclass(frozen=True)
class Places:
    """Where things stand below the top of the repository, or below the directory without one."""

    directory: Path
    lockfile: Path
    servers: Mapping[str, str]

    @cached_property
    def top(self) -> Path:
        """The directory that paths are told from."""
        above = (self.directory, *self.directory.parents)
        return next((each for each in above if (each / ".git").exists()), self.directory)

    def of(self, entry: DriftEntry) -> list[Part]:
        """Return the places of an entry; in the lock where no file shows the change."""
        shown = [file_location(path, line, line) for path, line in self._files(entry)]
        return shown or [file_location(self._told(self.lockfile), *[self._lock_line(entry)] * 2)]

    def _files(self, entry: DriftEntry) -> Iterator[tuple[str, int]]:
        source = self.servers.get(entry.source, entry.source)
        label, _, path = source.partition(":")
        if label != WORKSPACE_LABEL or entry.change is Change.REMOVED:
            return
        if entry.kind is not Kind.SKILL:
            yield self._told(self.directory / path), _line_of(entry.findings, "")
            return
        for file in entry.files:
            if file.change is not Change.REMOVED:
                place = self.directory / path / file.path
                yield self._told(place), _line_of(entry.findings, file.path)

    def _told(self, place: Path) -> str:
        absolute = place.absolute()
        inside = absolute.is_relative_to(self.top)
        return absolute.relative_to(self.top).as_posix() if inside else place.name

    def _lock_line(self, entry: DriftEntry) -> int:
        return self._lock_lines.get(entry.previous_source or entry.source, 1)

    @cached_property
    def _lock_lines(self) -> Mapping[str, int]:
        """The line of every key in the lock that could be a source."""
        found: dict[str, int] = {}
        text = (find_lock_bytes(self.lockfile) or b"").decode("utf-8", "replace")
        for number, line in enumerate(text.splitlines(), 1):
            key, is_object, _ = line.strip().rpartition(": {")
            if is_object and key.startswith('"'):
                found.setdefault(json.loads(key), number)
        return found


def drift_to_sarif(drift: Drift, found: Found, lockfile: Path, lock: Lock) -> str:
    """Return the log of one verification."""
    servers = {each.source: each.config_source for each in found.resolution.servers}
    places = Places(found.directory, lockfile, servers)
    driver = {
        "name": "driftpin verify",
        "version": __version__,
        "rules": [
            {"id": f"driftpin/{change.value}", "shortDescription": {"text": text}}
            for change, text in _RULES.items()
        ],
    }
    return sarif_document(
        driver,
        [_result(entry, places) for entry in drift.entries],
        automation_id="driftpin/verify",
        properties={"scope": lock.scope.value, "severity": drift.severity},
    )


def _result(entry: DriftEntry, places: Places) -> Part:
    key = "\n".join((entry.change.value, entry.source, entry.previous_source or ""))
    return {
        "ruleId": f"driftpin/{entry.change.value}",
        "ruleIndex": list(_RULES).index(entry.change),
        "level": _LEVELS[entry.severity],
        "message": {"text": _message(entry)},
        "locations": places.of(entry),
        "partialFingerprints": {
            "driftpinLock/v1": digest_of(key.encode()).removeprefix(DIGEST_PREFIX)
        },
        "properties": {
            "source": entry.source,
            "kind": entry.kind.value,
            "severity": entry.severity.value,
            "findings": sorted({each.code for each in entry.findings}),
        },
    }


def _message(entry: DriftEntry) -> str:
    was = f" (was {entry.previous_source})" if entry.previous_source else ""
    told = [f"{entry.source}{was} is not as locked: {entry.change}, {entry.severity}."]
    if entry.change is Change.STATUS:
        told.append(f"It was {entry.status_before} and is {entry.status_after}.")
    told += [f"{file.path} was {file.change}." for file in entry.files]
    told += [f"Found: {code}." for code in sorted({each.code for each in entry.findings})]
    return " ".join(told)


def _line_of(findings: tuple[Finding, ...], path: str) -> int:
    lines = (each.line for each in findings if each.path == path and each.line)
    return next(lines, 1)


__all__ = ["drift_to_sarif"]
