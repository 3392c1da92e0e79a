"""What a chat runs on: its pin in a line, everything listed in it, and the prompt it makes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from driftpin.chat.prompt import RenderedPrompt
from driftpin.context.resource import (
    NamedBlob,
    Resource,
    ServerBody,
    SkillBody,
    Status,
    blobs_of,
)
from driftpin.context.tokens import pieces_of
from driftpin.identity import Digest
from driftpin.store.values import ContextSummary, PinnedEntry
from driftpin.web.drift_views import HeldShown


@dataclass(frozen=True, slots=True)
class PinLine:
    """A pin in short. `severity` is empty for a clean one."""

    digest: Digest | None
    head: Digest | None
    prompt_digest: Digest | None
    tools_digest: Digest | None
    revision: int
    pinned_at: datetime | None
    is_complete: bool
    is_dirty: bool
    has_badge: bool
    is_blocked: bool
    dirty_since: datetime | None
    severity: str
    held: int
    error: str | None


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file of a skill, or a tool of a server; without a digest there are no bytes to look at."""

    path: str
    digest: Digest | None
    state: str


@dataclass(frozen=True, slots=True)
class ResourceLine:
    """One listed resource. `state` says in words how it stands."""

    source: str
    kind: str
    name: str
    description: str
    is_ok: bool
    is_waiting: bool
    state: str
    digest: Digest | None
    size_bytes: int | None
    tokens: int | None
    files: tuple[FileLine, ...]


@dataclass(frozen=True, slots=True)
class SectionLine:
    """One part of the prompt."""

    name: str
    source: str
    tokens: int


@dataclass(frozen=True, slots=True)
class PromptShown:
    """The prompt as a model gets it, and what it is made of."""

    text: str
    digest: Digest
    tokens: int
    sections: tuple[SectionLine, ...]
    left_out: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ContextShown:
    """Everything that a chat runs on."""

    chat_id: str
    title: str
    pin: PinLine
    resources: tuple[ResourceLine, ...]
    prompt: PromptShown
    held: tuple[HeldShown, ...]
    may_update: bool

    @property
    def not_ok(self) -> tuple[ResourceLine, ...]:
        """Those of the resources that contribute nothing."""
        return tuple(line for line in self.resources if not line.is_ok)

    @property
    def waiting(self) -> tuple[ResourceLine, ...]:
        """Those of the servers whose tools are not known yet."""
        return tuple(line for line in self.resources if line.is_waiting)


def pin_line(context: ContextSummary) -> PinLine:
    """Return a pin in short."""
    snapshot = context.snapshot
    return PinLine(
        digest=None if snapshot is None else snapshot.digest,
        head=None if context.head is None else context.head.digest,
        prompt_digest=None if snapshot is None else snapshot.prompt_digest,
        tools_digest=None if snapshot is None else snapshot.tools_digest,
        revision=context.revision,
        pinned_at=context.pinned_at,
        is_complete=context.complete,
        is_dirty=context.dirty,
        has_badge=context.has_badge,
        is_blocked=context.is_blocked,
        dirty_since=context.dirty_since,
        severity="" if context.severity is None else context.severity.value,
        held=context.held,
        error=context.error,
    )


def resource_lines(
    resources: Iterable[Resource], entries: Iterable[PinnedEntry]
) -> tuple[ResourceLine, ...]:
    """Return every resource with the size of what it pins; those that are not ok stand first."""
    named = {entry.digest: entry for entry in entries if entry.digest is not None}
    lines = [_resource_line(resource, named) for resource in resources]
    return tuple(sorted(lines, key=lambda line: line.is_ok))


def prompt_shown(prompt: RenderedPrompt) -> PromptShown:
    """Return the prompt with what it is made of, parts that cost nothing left out."""
    return PromptShown(
        text=prompt.text,
        digest=prompt.digest,
        tokens=prompt.tokens,
        sections=tuple(
            SectionLine(section.name, section.source, section.tokens)
            for section in prompt.sections
            if section.tokens
        ),
        left_out=tuple((item.source, item.reason) for item in prompt.left_out),
    )


def _resource_line(resource: Resource, named: Mapping[Digest, PinnedEntry]) -> ResourceLine:
    def tokens_of(digest: Digest) -> int:
        return named[digest].tokens or 0

    blobs, body = blobs_of(resource), resource.body
    sizes = [named[blob.digest].size_bytes or 0 for blob in blobs]
    counted = [piece.tokens for piece in pieces_of(resource, tokens_of)]
    return ResourceLine(
        source=resource.source,
        kind=resource.kind.value,
        name=body.name if isinstance(body, SkillBody) else "",
        description=body.description if isinstance(body, SkillBody) else "",
        is_ok=resource.status is Status.OK,
        is_waiting=resource.is_hole,
        state=_state(resource),
        digest=blobs[0].digest if blobs and not isinstance(body, SkillBody) else None,
        size_bytes=sum(sizes) if sizes else None,
        tokens=None if body is None else sum(counted),
        files=_files(body, blobs),
    )


def _state(resource: Resource) -> str:
    if resource.is_hole:
        return "waiting for its tools"
    return f"{resource.status}: {resource.reason}" if resource.reason else resource.status.value


def _files(body: object, blobs: tuple[NamedBlob, ...]) -> tuple[FileLine, ...]:
    if isinstance(body, SkillBody):
        return tuple(
            FileLine(
                file.path,
                file.digest if file.status is Status.OK else None,
                "executable" if file.executable else file.reason,
            )
            for file in body.files
        )
    if isinstance(body, ServerBody):
        return tuple(FileLine(blob.path, blob.digest, "") for blob in blobs)
    return ()


__all__ = [
    "ContextShown",
    "FileLine",
    "PinLine",
    "PromptShown",
    "ResourceLine",
    "SectionLine",
    "pin_line",
    "prompt_shown",
    "resource_lines",
]
