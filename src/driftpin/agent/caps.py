"""Which candidates make it into a snapshot: shadowing, then the caps, always in the same order.

The order is instruction files, skills, configs and servers, and inside a kind by root and source;
so the same tree always excludes the same, and nothing of a later kind displaces a file. A smaller
resource may still fit after one that did not. Only usable resources count towards the caps; the
others are listed, up to an end of their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from driftpin.agent.candidate import Candidate
from driftpin.agent.names import fitted, is_too_long
from driftpin.context.resource import Kind, ServerBody, SkillBody, Status
from driftpin.limits import (
    AGENT_MANIFEST_BYTES_MAX,
    AGENT_RESOURCES_LISTED_MAX,
    SNAPSHOT_BYTES_MAX,
    SNAPSHOT_RESOURCES_MAX,
    SNAPSHOT_TEXT_BYTES_MAX,
)

_KIND_ORDER: Final = {kind: place for place, kind in enumerate(Kind)}
# What the canonical form spends on one entry beside its texts, and at most on one character.
_ENTRY_BYTES: Final = 160
_CHARACTER_BYTES_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with the place of its root in the order of precedence."""

    root_rank: int
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Capped:
    """What is listed, in the order of the caps. `is_cut`: there was more than may be listed."""

    candidates: tuple[Candidate, ...]
    is_cut: bool


@dataclass(slots=True)
class _Room:
    """What is left of each cap."""

    resources: int = SNAPSHOT_RESOURCES_MAX
    text_bytes: int = SNAPSHOT_TEXT_BYTES_MAX
    all_bytes: int = SNAPSHOT_BYTES_MAX
    manifest_bytes: int = AGENT_MANIFEST_BYTES_MAX

    def admit(self, candidate: Candidate) -> Candidate:
        if not candidate.is_ok:
            return candidate
        if self.resources == 0:
            return candidate.refused(Status.EXCLUDED, "count_cap")
        blob_bytes = sum(blob.size_bytes for blob in candidate.blobs)
        manifest_bytes = _manifest_bytes(candidate)
        if (
            candidate.text_bytes > self.text_bytes
            or blob_bytes > self.all_bytes
            or manifest_bytes > self.manifest_bytes
        ):
            return candidate.refused(Status.EXCLUDED, "aggregate_cap")
        self.resources -= 1
        self.text_bytes -= candidate.text_bytes
        self.all_bytes -= blob_bytes
        self.manifest_bytes -= manifest_bytes
        return candidate


def apply_caps(ranked: Iterable[Ranked]) -> Capped:
    """Return the candidates that are listed, each with the status that the caps leave it."""
    ordered = _unique(_shadowed(sorted(map(_fitting, ranked), key=_order)))
    room = _Room()
    admitted = [room.admit(candidate) for candidate in ordered]
    spare = AGENT_RESOURCES_LISTED_MAX - sum(candidate.is_ok for candidate in admitted)
    listed = []
    for candidate in admitted:
        if candidate.is_ok or spare > 0:
            listed.append(candidate)
            spare -= not candidate.is_ok
    return Capped(tuple(listed), is_cut=len(listed) < len(admitted))


def _order(ranked: Ranked) -> tuple[int, int, str]:
    resource = ranked.candidate.resource
    return _KIND_ORDER[resource.kind], ranked.root_rank, resource.source


def _fitting(ranked: Ranked) -> Ranked:
    """Cut a source that is too long, which also excludes what would have been usable."""
    candidate = ranked.candidate
    source = candidate.resource.source
    if not is_too_long(source):
        return ranked
    if candidate.is_ok:
        candidate = candidate.refused(Status.EXCLUDED, "source_too_long")
    resource = replace(candidate.resource, source=fitted(source))
    return replace(ranked, candidate=replace(candidate, resource=resource))


def _shadowed(ordered: Iterable[Ranked]) -> Iterable[Candidate]:
    """Exclude skills and servers whose name came earlier.

    A skill is shadowed by one of an earlier root; in one root a name may stand twice. A server is
    shadowed by one of an earlier config, and listed with the config that it stands in.
    """
    skills: dict[str, int] = {}
    servers: set[str] = set()
    for ranked in ordered:
        candidate = ranked.candidate
        body = candidate.resource.body
        if candidate.resource.kind is Kind.MCP_SERVER:
            yield _shadowed_server(candidate, servers)
        elif (
            isinstance(body, SkillBody)
            and skills.setdefault(body.name, ranked.root_rank) != ranked.root_rank
        ):
            yield candidate.refused(Status.EXCLUDED, "shadowed")
        else:
            yield candidate


def _shadowed_server(candidate: Candidate, taken: set[str]) -> Candidate:
    source = candidate.resource.source
    if source not in taken:
        taken.add(source)
        return candidate
    shadowed = candidate.refused(Status.EXCLUDED, "shadowed")
    named = fitted(f"{source}@{candidate.config_source}")
    return replace(shadowed, resource=replace(shadowed.resource, source=named))


def _unique(candidates: Iterable[Candidate]) -> Iterable[Candidate]:
    """Keep the first of a source: settings may name a file that is listed for another reason."""
    taken: set[str] = set()
    for candidate in candidates:
        if candidate.resource.source not in taken:
            taken.add(candidate.resource.source)
            yield candidate


def _manifest_bytes(candidate: Candidate) -> int:
    resource = candidate.resource
    estimate = _ENTRY_BYTES + len(resource.source.encode())
    if isinstance(resource.body, SkillBody):
        estimate += len(resource.body.name) + _written_bytes(resource.body.description)
        estimate += sum(_ENTRY_BYTES + _written_bytes(file.path) for file in resource.body.files)
    if isinstance(resource.body, ServerBody) and resource.body.catalogue is not None:
        tools = resource.body.catalogue.tools
        estimate += sum(_ENTRY_BYTES + _written_bytes(tool.name) for tool in tools)
    return estimate


def _written_bytes(text: str) -> int:
    """Return at least the bytes that a canonical form writes for a text."""
    if text.isascii() and text.isprintable():
        return len(text) * 2 if '"' in text or "\\" in text else len(text)
    return len(text) * _CHARACTER_BYTES_MAX


__all__ = ["Capped", "Ranked", "apply_caps"]
