"""What a person reads before a refresh: unified text for files, notes for everything else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from driftpin.context.bodies import BodyReader, decode_text
from driftpin.context.drift import changed_pairs
from driftpin.context.hidden_text import hidden_runs, visible
from driftpin.context.manifest import Snapshot
from driftpin.context.resource import (
    InstructionBody,
    Resource,
    ServerBody,
    SkillBody,
    SkillFile,
    Status,
)
from driftpin.context.server_drift import catalogue_drift
from driftpin.context.severity import is_cosmetic
from driftpin.context.tool_drift import ToolChange, ToolDrift
from driftpin.context.unified import Budget, unified_text

LINE_ENDINGS_ONLY: Final = "line endings only"
WHITE_SPACE_ONLY: Final = "white space only"


@dataclass(frozen=True, slots=True)
class ResourceDiff:
    """One file that differs, or what there is to say of a resource that has no text.

    `path` is empty but for a skill's files. `text` is unified text with file headers, or empty
    where `notes` say all. The counts hold for the whole, also where `text` is cut.
    """

    source: str
    path: str = ""
    text: str = ""
    truncated: bool = False
    notes: tuple[str, ...] = ()
    added_lines: int = 0
    removed_lines: int = 0


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a file: where it stands, what it is, and what of its bytes can be had."""

    name: str
    file: SkillFile
    content: bytes | None

    @property
    def text(self) -> str | None:
        return None if self.content is None else decode_text(self.content)


def diff(pin: Snapshot, head: Snapshot, bodies: BodyReader) -> tuple[ResourceDiff, ...]:
    """Return the difference of every source, in order; empty when the snapshots are equal.

    The whole stays within `limits.DIFF_*`: what no longer fits is cut and says so.
    """
    if pin.digest == head.digest:
        return ()
    budget = Budget()
    return tuple(
        found
        for before, after in changed_pairs(pin, head, bodies)
        for found in _diffs_of(before, after, bodies, budget)
    )


def _diffs_of(
    before: Resource | None, after: Resource | None, bodies: BodyReader, budget: Budget
) -> Iterator[ResourceDiff]:
    shown = after or before
    assert shown is not None, "a change needs a resource on one side"
    notes = tuple(_resource_notes(before, after, bodies))
    if notes:
        yield ResourceDiff(shown.source, notes=notes)
    for path, old, new in _sides(before, after, bodies):
        yield _diff_file(shown.source, path, old, new, budget)


def _resource_notes(
    before: Resource | None, after: Resource | None, bodies: BodyReader
) -> Iterator[str]:
    if before is None or after is None:
        only = after or before
        if only is not None and not isinstance(only.body, InstructionBody | SkillBody):
            yield f"{'added' if before is None else 'removed'} ({_state(only)})"
        return
    if before.source != after.source:
        yield f"renamed from {visible(before.source)}"
    if (before.status, before.reason) != (after.status, after.reason):
        yield f"status: {_state(before)} → {_state(after)}"
    if isinstance(before.body, ServerBody) and isinstance(after.body, ServerBody):
        yield from _server_notes(before.body, after.body, bodies)
    if isinstance(before.body, SkillBody) and isinstance(after.body, SkillBody):
        yield from _skill_notes(before.body, after.body)


def _state(subject: Resource | SkillFile) -> str:
    return f"{subject.status}/{subject.reason}" if subject.reason else subject.status.value


def _skill_notes(before: SkillBody, after: SkillBody) -> Iterator[str]:
    if before.name != after.name:
        yield f"name: {visible(before.name)} → {visible(after.name)}"
    if before.description != after.description:
        yield "description changed"


def _server_notes(before: ServerBody, after: ServerBody, bodies: BodyReader) -> Iterator[str]:
    if before.identity != after.identity:
        yield f"identity: {before.identity} → {after.identity}"
    if before.catalogue is None or after.catalogue is None:
        if before.catalogue is not after.catalogue:
            yield "tools became known" if before.catalogue is None else "tools are not known"
        return
    if before.catalogue.instructions != after.catalogue.instructions:
        yield "server instructions changed"
    for tool in catalogue_drift(before.catalogue, after.catalogue, bodies):
        yield from tool_notes(tool)


def tool_notes(tool: ToolDrift) -> Iterator[str]:
    """Give what changed of a tool in lines for people: one for the tool, one for each part."""
    name = visible(tool.name)
    if tool.change is ToolChange.RENAMED:
        name = f"{visible(tool.previous_name or '')} → {name}"
    yield f"tool {tool.change}: {name}"
    for part in tool.parts:
        place = f" {part.place}" if part.place else ""
        sides = f": {part.before or '(nothing)'} → {part.after or '(nothing)'}"
        is_told = part.before or part.after
        yield f"  {part.aspect.replace('_', ' ')}{place}{sides if is_told else ''}"


def _sides(
    before: Resource | None, after: Resource | None, bodies: BodyReader
) -> Iterator[tuple[str, _Side | None, _Side | None]]:
    """Yield both sides of every file that differs, with its path inside the resource."""
    old, new = _files(before, bodies), _files(after, bodies)
    for path in sorted(old.keys() | new.keys()):
        left, right = old.get(path), new.get(path)
        if left is None or right is None or left.file != right.file:
            yield path, left, right


def _files(resource: Resource | None, bodies: BodyReader) -> dict[str, _Side]:
    if resource is None:
        return {}
    match resource.body:
        case InstructionBody(digest=digest):
            file = SkillFile("", executable=False, digest=digest)
            return {"": _Side(resource.source, file, bodies(digest))}
        case SkillBody(files=files):
            return {file.path: _skill_side(resource.source, file, bodies) for file in files}
        case ServerBody() | None:
            return {}


def _skill_side(source: str, file: SkillFile, bodies: BodyReader) -> _Side:
    has_blob = file.status is Status.OK and file.digest is not None
    content = bodies(file.digest) if has_blob and file.digest is not None else None
    return _Side(f"{source}/{file.path}", file, content)


def _diff_file(
    source: str, path: str, old: _Side | None, new: _Side | None, budget: Budget
) -> ResourceDiff:
    notes = tuple(_file_notes(old, new))
    if old is not None and new is not None and old.file.digest == new.file.digest:
        return ResourceDiff(source, path, notes=notes)
    before = "" if old is None else old.text
    after = "" if new is None else new.text
    if before is None or after is None:
        return ResourceDiff(
            source, path, notes=(*notes, f"not shown as text: {_bytes(old)} → {_bytes(new)}")
        )
    if before != after and _with_plain_ends(before) == _with_plain_ends(after):
        return ResourceDiff(source, path, notes=(*notes, LINE_ENDINGS_ONLY))
    found = unified_text(_with_plain_ends(before), _with_plain_ends(after), budget)
    notes += tuple(_text_notes(before, after, path, truncated=found.truncated))
    return ResourceDiff(
        source=source,
        path=path,
        text=_header(old, new) + found.text if found.text else "",
        truncated=found.truncated,
        notes=notes,
        added_lines=found.added_lines,
        removed_lines=found.removed_lines,
    )


def _header(old: _Side | None, new: _Side | None) -> str:
    return f"--- {_name(old)}\n+++ {_name(new)}\n"


def _name(side: _Side | None) -> str:
    return "/dev/null" if side is None else visible(side.name)


def _file_notes(old: _Side | None, new: _Side | None) -> Iterator[str]:
    was_executable = old is not None and old.file.executable
    if new is not None and new.file.executable != was_executable:
        yield "executable" if new.file.executable else "no longer executable"
    if old is None or new is None:
        yield "added" if old is None else "removed"
    elif (old.file.status, old.file.reason) != (new.file.status, new.file.reason):
        yield f"status: {_state(old.file)} → {_state(new.file)}"


def _bytes(side: _Side | None) -> str:
    if side is None:
        return "absent"
    size = "size unknown" if side.content is None else f"{len(side.content)} bytes"
    return f"{side.file.digest or 'no digest'} ({size})"


def _text_notes(before: str, after: str, path: str, *, truncated: bool) -> Iterator[str]:
    if before == after:
        return
    if before and after and is_cosmetic(before, after, path=path):
        yield WHITE_SPACE_ONLY
    if before and after and _has_crlf(before) != _has_crlf(after):
        yield "line endings differ too"
    if next(hidden_runs(after), None) is not None:
        yield "hidden characters are drawn as \\u{…}"
    if truncated:
        yield "cut: longer than a diff may be"


def _has_crlf(text: str) -> bool:
    return "\r\n" in text


def _with_plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n")


__all__ = ["LINE_ENDINGS_ONLY", "WHITE_SPACE_ONLY", "ResourceDiff", "diff", "tool_notes"]
