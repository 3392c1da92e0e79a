"""What one changed resource amounts to: its severity, its changed files, what is new to look at.

Severities follow the table of spec/pinning.md §4. Where bytes are not to be had, a change counts as
behavioural: nothing is called harmless unread.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from driftpin.context.bodies import BodyReader, find_text
from driftpin.context.resource import (
    Body,
    Finding,
    InstructionBody,
    Resource,
    ServerBody,
    SkillBody,
    SkillFile,
    Status,
)
from driftpin.context.server_drift import assess_server
from driftpin.context.severity import (
    Severity,
    brings_fetch,
    brings_hidden,
    fetches_and_runs,
    is_cosmetic,
    is_script,
    new_findings,
    worst,
)
from driftpin.context.tool_drift import ToolDrift
from driftpin.identity import Digest


class Change(StrEnum):
    """What happened to a source, or to one file of a skill."""

    ADDED = "added"
    REMOVED = "removed"
    MODIFIED = "modified"
    RENAMED = "renamed"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of a skill that differs. A bit or digest is None where there is no file, or none."""

    path: str
    change: Change
    severity: Severity
    digest_before: Digest | None
    digest_after: Digest | None
    executable_before: bool | None
    executable_after: bool | None


@dataclass(frozen=True, slots=True)
class Assessment:
    """The judgement on one changed resource."""

    severity: Severity
    files: tuple[FileChange, ...] = ()
    findings: tuple[Finding, ...] = ()
    tools: tuple[ToolDrift, ...] = ()


def assess(
    before: Resource | None,
    after: Resource | None,
    bodies: BodyReader,
    *,
    foreign_tools: Collection[str] = (),
) -> Assessment:
    """Return what the step from `before` to `after` amounts to; at least one of them is there.

    `foreign_tools` are the names of the tools of all other servers that `after` stands beside.
    """
    if after is None:
        assert before is not None, "a change needs a resource on one side"
        return Assessment(Severity.BEHAVIOURAL)
    if after.status is not Status.OK:
        return Assessment(_severity_of_loss(before))
    same_kind = before is not None and before.kind is after.kind
    old = before.body if before and same_kind else None
    judged = _assess_body(old, after.body, bodies, foreign_tools)
    if before is not None and not same_kind:
        return replace(judged, severity=_at_least(judged.severity))
    return judged


def _at_least(severity: Severity) -> Severity:
    return max(severity, Severity.BEHAVIOURAL)


def _severity_of_loss(before: Resource | None) -> Severity:
    """Return the severity of a resource that is not ok: it contributes nothing, and is listed."""
    if before is None:
        return Severity.ADDITIVE
    return Severity.BEHAVIOURAL if before.status is Status.OK else Severity.COSMETIC


def _assess_body(
    before: Body, after: Body, bodies: BodyReader, foreign_tools: Collection[str]
) -> Assessment:
    match after:
        case InstructionBody(digest=digest):
            old = before.digest if isinstance(before, InstructionBody) else None
            severity, findings = _assess_text(old, digest, bodies, path="")
            return Assessment(severity, findings=findings)
        case SkillBody():
            return _assess_skill(before if isinstance(before, SkillBody) else None, after, bodies)
        case ServerBody():
            known = before if isinstance(before, ServerBody) else None
            severity, tools, findings = assess_server(known, after, bodies, foreign_tools)
            return Assessment(severity, findings=findings, tools=tools)
        case None:
            return Assessment(Severity.ADDITIVE)


def _assess_text(
    before: Digest | None, after: Digest | None, bodies: BodyReader, *, path: str
) -> tuple[Severity, tuple[Finding, ...]]:
    """Judge text that a model follows.

    One that is new, or whose former text cannot be read, counts as edited from nothing.
    """
    new = find_text(bodies, after)
    if new is None:
        return Severity.BEHAVIOURAL, ()
    read = find_text(bodies, before)
    old = read or ""
    findings = new_findings(old, new, path=path)
    if brings_hidden(old, new) or brings_fetch(old, new):
        return Severity.RISKY, findings
    same_words = read is not None and is_cosmetic(read, new, path=path)
    return (Severity.COSMETIC if same_words else Severity.BEHAVIOURAL), findings


def _assess_skill(before: SkillBody | None, after: SkillBody, bodies: BodyReader) -> Assessment:
    judged = list(_assess_files(before.files if before else (), after.files, bodies))
    severities = [change.severity for change, _ in judged]
    severities.append(_severity_of_header(before, after))
    return Assessment(
        severity=worst(severities) or Severity.COSMETIC,
        files=tuple(change for change, _ in judged),
        findings=tuple(finding for _, findings in judged for finding in findings),
    )


def _severity_of_header(before: SkillBody | None, after: SkillBody) -> Severity:
    """Judge name and description as they were read: an escape in YAML can hide a character."""
    new = f"{after.name}\n{after.description}"
    old = f"{before.name}\n{before.description}" if before else ""
    if brings_hidden(old, new):
        return Severity.RISKY
    if before is None:
        return Severity.ADDITIVE
    return Severity.COSMETIC if is_cosmetic(old, new) else Severity.BEHAVIOURAL


def _assess_files(
    before: tuple[SkillFile, ...], after: tuple[SkillFile, ...], bodies: BodyReader
) -> Iterator[tuple[FileChange, tuple[Finding, ...]]]:
    old_by_path = {file.path: file for file in before}
    new_by_path = {file.path: file for file in after}
    for path in sorted(old_by_path.keys() | new_by_path.keys()):
        old, new = old_by_path.get(path), new_by_path.get(path)
        if old != new:
            severity, findings = _assess_file(old, new, bodies)
            yield _file_change(path, old, new, severity), findings


def _file_change(
    path: str, old: SkillFile | None, new: SkillFile | None, severity: Severity
) -> FileChange:
    return FileChange(
        path=path,
        change=_change_of_file(old, new),
        severity=severity,
        digest_before=old.digest if old else None,
        digest_after=new.digest if new else None,
        executable_before=old.executable if old else None,
        executable_after=new.executable if new else None,
    )


def _change_of_file(old: SkillFile | None, new: SkillFile | None) -> Change:
    if old is None:
        return Change.ADDED
    if new is None:
        return Change.REMOVED
    return Change.MODIFIED if old.status is new.status else Change.STATUS


def _assess_file(
    old: SkillFile | None, new: SkillFile | None, bodies: BodyReader
) -> tuple[Severity, tuple[Finding, ...]]:
    if new is None:
        return Severity.BEHAVIOURAL, ()
    if new.status is not Status.OK:
        return (Severity.ADDITIVE if old is None else Severity.BEHAVIOURAL), ()
    known = old if old is not None and old.status is Status.OK else None
    before = known.digest if known else None
    severity, findings = _assess_text(before, new.digest, bodies, path=new.path)
    text = find_text(bodies, new.digest)
    script = is_script(new.path, executable=new.executable, text=text)
    if script and text is not None and fetches_and_runs(text):
        return Severity.RISKY, findings
    if known is not None and known.executable != new.executable:
        return _at_least(severity), findings
    is_unread = new.digest is None or bodies(new.digest) is None
    if old is None and not script and not is_unread and severity is not Severity.RISKY:
        return Severity.ADDITIVE, findings
    return severity, findings


__all__ = ["Assessment", "Change", "FileChange", "assess"]
