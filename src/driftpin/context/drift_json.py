"""A drift's entries as JSON and back: how a summary is kept beside its two snapshots."""

from collections.abc import Sequence

from driftpin.context.drift import Change, Drift, DriftEntry, FileChange, Severity, drift_of
from driftpin.context.manifest import Json
from driftpin.context.resource import Finding, Kind, Status
from driftpin.context.tool_drift import Aspect, ToolChange, ToolDrift, ToolPart
from driftpin.identity import Digest


def drift_to_json(drift: Drift) -> list[Json]:
    """Return the entries as JSON; `drift_from_json` gives an equal drift back."""
    return [entry_to_json(entry) for entry in drift.entries]


def drift_from_json(entries: Sequence[Json]) -> Drift:
    """Return the drift that these entries stand for; they must come out of `drift_to_json`."""
    return drift_of(_entry_from_json(entry) for entry in entries)


def entry_to_json(entry: DriftEntry) -> dict[str, Json]:
    """Return one entry as JSON, nothing left out: absent values are null."""
    return {
        "source": entry.source,
        "kind": entry.kind.value,
        "change": entry.change.value,
        "severity": entry.severity.value,
        "previous_source": entry.previous_source,
        "status_before": entry.status_before and entry.status_before.value,
        "status_after": entry.status_after and entry.status_after.value,
        "reason_before": entry.reason_before,
        "reason_after": entry.reason_after,
        "files": [_file_to_json(file) for file in entry.files],
        "findings": [finding_to_json(finding) for finding in entry.findings],
        "tools": [_tool_to_json(tool) for tool in entry.tools],
        "head_digest": entry.head_digest,
    }


def finding_to_json(finding: Finding) -> dict[str, Json]:
    """Return one finding as JSON."""
    return {
        "code": finding.code,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "preview": finding.preview,
    }


def _file_to_json(file: FileChange) -> dict[str, Json]:
    return {
        "path": file.path,
        "change": file.change.value,
        "severity": file.severity.value,
        "digest_before": file.digest_before,
        "digest_after": file.digest_after,
        "executable_before": file.executable_before,
        "executable_after": file.executable_after,
    }


def _tool_to_json(tool: ToolDrift) -> dict[str, Json]:
    return {
        "name": tool.name,
        "change": tool.change.value,
        "severity": tool.severity.value,
        "previous_name": tool.previous_name,
        "parts": [_part_to_json(part) for part in tool.parts],
    }


def _part_to_json(part: ToolPart) -> dict[str, Json]:
    return {
        "aspect": part.aspect.value,
        "severity": part.severity.value,
        "place": part.place,
        "before": part.before,
        "after": part.after,
    }


def _entry_from_json(entry: Json) -> DriftEntry:
    assert isinstance(entry, dict)
    files, findings, tools = entry["files"], entry["findings"], entry["tools"]
    assert isinstance(files, list)
    assert isinstance(findings, list)
    assert isinstance(tools, list)
    return DriftEntry(
        source=str(entry["source"]),
        kind=Kind(str(entry["kind"])),
        change=Change(str(entry["change"])),
        severity=Severity(str(entry["severity"])),
        previous_source=_text(entry["previous_source"]),
        status_before=_status(entry["status_before"]),
        status_after=_status(entry["status_after"]),
        reason_before=_text(entry["reason_before"]),
        reason_after=_text(entry["reason_after"]),
        files=tuple(_file_from_json(file) for file in files),
        findings=tuple(_finding_from_json(finding) for finding in findings),
        tools=tuple(_tool_from_json(tool) for tool in tools),
        head_digest=_digest(entry["head_digest"]),
    )


def _file_from_json(file: Json) -> FileChange:
    assert isinstance(file, dict)
    return FileChange(
        path=str(file["path"]),
        change=Change(str(file["change"])),
        severity=Severity(str(file["severity"])),
        digest_before=_digest(file["digest_before"]),
        digest_after=_digest(file["digest_after"]),
        executable_before=_flag(file["executable_before"]),
        executable_after=_flag(file["executable_after"]),
    )


def _finding_from_json(finding: Json) -> Finding:
    assert isinstance(finding, dict)
    return Finding(
        code=str(finding["code"]),
        path=str(finding["path"]),
        line=_number(finding["line"]),
        column=_number(finding["column"]),
        preview=str(finding["preview"]),
    )


def _tool_from_json(tool: Json) -> ToolDrift:
    assert isinstance(tool, dict)
    parts = tool["parts"]
    assert isinstance(parts, list)
    return ToolDrift(
        name=str(tool["name"]),
        change=ToolChange(str(tool["change"])),
        severity=Severity(str(tool["severity"])),
        previous_name=_text(tool["previous_name"]),
        parts=tuple(_part_from_json(part) for part in parts),
    )


def _part_from_json(part: Json) -> ToolPart:
    assert isinstance(part, dict)
    return ToolPart(
        aspect=Aspect(str(part["aspect"])),
        severity=Severity(str(part["severity"])),
        place=str(part["place"]),
        before=str(part["before"]),
        after=str(part["after"]),
    )


def _text(value: Json) -> str | None:
    return None if value is None else str(value)


def _status(value: Json) -> Status | None:
    return None if value is None else Status(str(value))


def _digest(value: Json) -> Digest | None:
    return None if value is None else Digest(str(value))


def _flag(value: Json) -> bool | None:
    return None if value is None else bool(value)


def _number(value: Json) -> int | None:
    assert value is None or isinstance(value, int)
    return value


__all__ = ["drift_from_json", "drift_to_json", "entry_to_json", "finding_to_json"]
