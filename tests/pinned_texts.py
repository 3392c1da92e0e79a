"""A pin built from plain texts, as one read of the store would give it."""

from collections.abc import Callable, Mapping

from driftpin.chat.pinned import PinnedContext
from driftpin.context.manifest import snapshot_of
from driftpin.context.resource import (
    InstructionBody,
    Kind,
    Resource,
    SkillBody,
    SkillFile,
    Status,
)
from driftpin.identity import Digest, digest_of

SkillFiles = Mapping[str, bytes]
MakePin = Callable[..., PinnedContext]


def _skill(source: str, files: SkillFiles, bodies: dict[Digest, bytes]) -> Resource:
    bodies.update({digest_of(content): content for content in files.values()})
    listed = tuple(
        SkillFile(path, path.endswith(".sh"), digest_of(content))
        for path, content in sorted(files.items())
    )
    name = source.rpartition("/")[2]
    return Resource(Kind.SKILL, source, Status.OK, body=SkillBody(name, f"How to {name}.", listed))


def make_pin(
    files: Mapping[str, bytes | str] | None = None,
    skills: Mapping[str, SkillFiles] | None = None,
    others: tuple[Resource, ...] = (),
) -> PinnedContext:
    bodies: dict[Digest, bytes] = {}
    resources = list(others)
    for source, text in (files or {}).items():
        content = text if isinstance(text, bytes) else text.encode()
        bodies[digest_of(content)] = content
        body = InstructionBody(digest_of(content))
        resources.append(Resource(Kind.INSTRUCTION_FILE, source, Status.OK, body=body))
    resources += [_skill(source, held, bodies) for source, held in (skills or {}).items()]
    snapshot = snapshot_of(resources)
    return PinnedContext(snapshot.digest, snapshot.prompt_digest, 1, snapshot.resources, bodies)
