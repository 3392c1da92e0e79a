"""What a chat is pinned to, as one read of the store gave it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from driftpin.context.resource import (
    InstructionBody,
    Kind,
    Resource,
    SkillBody,
    Status,
    precedence,
)
from driftpin.identity import Digest


@dataclass(frozen=True, slots=True)
class PinnedSkill:
    """One ok skill of a pin."""

    source: str
    body: SkillBody


@dataclass(frozen=True, slots=True)
class PinnedContext:
    """A pin: the snapshot's names, its resources, and those bytes that somebody asked for.

    `bodies` need not be complete: a prompt needs `blobs_for_prompt`, a call of a skill tool
    `skill_tools.blobs_for_call`. Bytes that are needed and missing are a programming fault and
    raise KeyError: context is never dropped in silence. A chat that was never pinned has no
    PinnedContext at all, which differs from one pinned to a snapshot that lists nothing.
    """

    snapshot: Digest
    prompt_digest: Digest
    revision: int
    resources: tuple[Resource, ...]
    bodies: Mapping[Digest, bytes]

    def with_bodies(self, bodies: Mapping[Digest, bytes]) -> "PinnedContext":
        """Return the same pin with these bytes as well."""
        return replace(self, bodies={**self.bodies, **bodies})


def instruction_files(resources: Iterable[Resource]) -> tuple[tuple[str, Digest], ...]:
    """Return (source, digest) of every ok instruction file, highest precedence first."""
    found = [
        (resource.source, resource.body.digest)
        for resource in resources
        if resource.status is Status.OK and isinstance(resource.body, InstructionBody)
    ]
    return tuple(sorted(found, key=lambda file: precedence(file[0])))


def skills(resources: Iterable[Resource]) -> tuple[PinnedSkill, ...]:
    """Return every ok skill, ordered by name, then by precedence of its source."""
    found = [
        PinnedSkill(resource.source, resource.body)
        for resource in resources
        if resource.status is Status.OK and isinstance(resource.body, SkillBody)
    ]
    return tuple(sorted(found, key=lambda skill: (skill.body.name, precedence(skill.source))))


def not_usable(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Return the instruction files and skills that are listed but not ok, in prompt order."""
    kinds = (Kind.INSTRUCTION_FILE, Kind.SKILL)
    found = [r for r in resources if r.kind in kinds and r.status is not Status.OK]
    return tuple(sorted(found, key=lambda r: (kinds.index(r.kind), precedence(r.source))))


def blobs_for_prompt(resources: Iterable[Resource]) -> tuple[Digest, ...]:
    """Return the digests whose bytes `prompt.render_prompt` needs."""
    return tuple(digest for _, digest in instruction_files(resources))


__all__ = [
    "PinnedContext",
    "PinnedSkill",
    "blobs_for_prompt",
    "instruction_files",
    "not_usable",
    "skills",
]
