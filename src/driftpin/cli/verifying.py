"""`driftpin verify`: what differs from a lock in a directory, for people, programs and forges."""

import json
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from driftpin.cli import output
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.lock_file import LOCK_NAME, load_lock
from driftpin.cli.lock_scope import Found, find_context
from driftpin.cli.locked_bodies import LockedBodies
from driftpin.cli.places import get_directory
from driftpin.cli.verify_sarif import drift_to_sarif
from driftpin.cli.workspaces import settings_of
from driftpin.context.drift import Drift, DriftEntry
from driftpin.context.drift_json import entry_to_json
from driftpin.context.lock import Lock, drift_from
from driftpin.context.resource import Resource, ServerBody
from driftpin.context.severity import Severity
from driftpin.errors import DriftpinError, UsageError
from driftpin.review.folder import write_file

FORMAT_VERSION: Final = 1
COLUMNS: Final = ("change", "source", "severity", "status", "note")


Choice = TypeVar("Choice", bound=StrEnum)


class Format(StrEnum):
    """How a verification is told."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


@dataclass(frozen=True, slots=True)
class VerifyWish:
    """Which lock, of which directory, and what counts as failing."""

    lockfile: Path | None
    directory: Path | None
    state: str | None
    is_frozen: bool
    fail_on: Severity
    form: Format
    target: Path | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What came out: the drift, and the MCP servers whose tools nobody could look at."""

    place: Path
    directory: Path
    lock: Lock
    found: Found
    drift: Drift
    unchecked: tuple[str, ...]
    fail_on: Severity

    @property
    def failing(self) -> tuple[DriftEntry, ...]:
        """The entries that are severe enough to fail."""
        return tuple(each for each in self.drift.entries if each.severity >= self.fail_on)


def verify(wish: VerifyWish) -> None:
    """Tell what differs; frozen ends with 1 where anything severe enough does."""
    try:
        verified = _verified(wish)
    except DriftpinError as refusal:
        if wish.form is Format.JSON:
            problem = {"code": refusal.code, "message": refusal.message}
            _write(wish, json.dumps({"v": FORMAT_VERSION, "result": "error", "error": problem}))
        raise
    _tell(wish, verified)
    if wish.is_frozen and verified.failing:
        raise Finished(ExitCode.FINDINGS)


def one_of(option: str, kinds: type[Choice], wanted: str) -> Choice:
    """Return the member that an option names, or raise UsageError with all that there are."""
    try:
        return kinds(wanted)
    except ValueError:
        known = ", ".join(each.value for each in kinds)
        raise UsageError(f"{option} is one of {known}; not {wanted!r}.") from None


def _verified(wish: VerifyWish) -> Verified:
    directory = wish.directory or (wish.lockfile.absolute().parent if wish.lockfile else Path())
    directory = get_directory(directory)
    place = wish.lockfile or directory / LOCK_NAME
    lock = load_lock(place)
    found = find_context(directory, settings_of(wish.state), lock.scope, lock)
    bodies = LockedBodies(directory, place, lock, found.find_body)
    drift = drift_from(lock, found.lock, bodies.find)
    unchecked = tuple(each.source for each in found.lock.resources if _is_unchecked(each))
    return Verified(place, directory, lock, found, drift, unchecked, wish.fail_on)


def _is_unchecked(resource: Resource) -> bool:
    return isinstance(resource.body, ServerBody) and resource.body.catalogue is not None


def _tell(wish: VerifyWish, verified: Verified) -> None:
    match wish.form:
        case Format.JSON:
            _write(wish, json.dumps(_as_json(verified), ensure_ascii=True))
        case Format.SARIF:
            _write(
                wish, drift_to_sarif(verified.drift, verified.found, verified.place, verified.lock)
            )
        case Format.TEXT:
            pass
    if wish.form is Format.TEXT or wish.target is not None:
        _tell_people(verified)


def _write(wish: VerifyWish, document: str) -> None:
    text = document.rstrip("\n") + "\n"
    if wish.target is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_file(wish.target, text.encode("ascii"))


def _tell_people(verified: Verified) -> None:
    entries = verified.drift.entries
    if entries:
        output.write_table(COLUMNS, map(_row, entries))
    if verified.unchecked:
        say(f"not looked at, since no server is started: the tools of {_named(verified.unchecked)}")
    if entries:
        told = f"{len(verified.failing)} of them {verified.fail_on} or worse"
        say(f"drifted: {output.counted(len(entries), 'resource')} not as locked, {told}.")
    else:
        say(f"clean: {output.counted(len(verified.lock.resources), 'resource')} as locked.")


def _named(sources: tuple[str, ...]) -> str:
    return ", ".join(sources)


def _row(entry: DriftEntry) -> tuple[object, ...]:
    was, now = entry.status_before, entry.status_after
    source = f"{entry.previous_source} → {entry.source}" if entry.previous_source else entry.source
    files = ", ".join(f"{file.change} {file.path}" for file in entry.files)
    findings = ", ".join(dict.fromkeys(finding.code for finding in entry.findings))
    note = "; ".join(part for part in (entry.reason_after or "", files, findings) if part)
    status = now if was == now else f"{was or '-'} → {now or '-'}"
    return entry.change, source, entry.severity, status, note


def _as_json(verified: Verified) -> dict[str, object]:
    severity = verified.drift.severity
    return {
        "v": FORMAT_VERSION,
        "result": "drifted" if verified.drift.entries else "clean",
        "lockfile": str(verified.place),
        "scope": verified.lock.scope.value,
        "resources": len(verified.lock.resources),
        "severity": None if severity is None else severity.value,
        "fail_on": verified.fail_on.value,
        "failing": len(verified.failing),
        "entries": [entry_to_json(each) for each in verified.drift.entries],
        "unchecked_tools": list(verified.unchecked),
    }


__all__ = ["Format", "Verified", "VerifyWish", "one_of", "verify"]
