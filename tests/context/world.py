from collections.abc import Iterable, Mapping

from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.context.resource import (
    Catalogue,
    InstructionBody,
    Kind,
    Resource,
    ServerBody,
    SkillBody,
    SkillFile,
    Status,
    ToolEntry,
)
from driftpin.identity import Digest, digest_of


class World:
    """Blobs by digest, and resources made of text: what a test needs to write down a snapshot."""

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}

    def bodies(self, digest: Digest) -> bytes | None:
        return self.blobs.get(digest)

    def blob(self, content: str | bytes) -> Digest:
        content = content.encode() if isinstance(content, str) else content
        digest = digest_of(content)
        self.blobs[digest] = content
        return digest

    def instruction(self, content: str | bytes, source: str = "workspace:AGENTS.md") -> Resource:
        body = InstructionBody(self.blob(content))
        return Resource(Kind.INSTRUCTION_FILE, source, Status.OK, body=body)

    def broken(self, source: str, reason: str, kind: Kind = Kind.INSTRUCTION_FILE) -> Resource:
        return Resource(kind, source, Status.INVALID, reason)

    def skill(
        self,
        files: Mapping[str, str | bytes],
        *,
        source: str = "workspace:skills/tidy",
        description: str = "Tidies.",
        executable: Iterable[str] = (),
    ) -> Resource:
        with_header = {"SKILL.md": "# Tidy\n", **files}
        listed = tuple(
            SkillFile(path, path in set(executable), self.blob(content))
            for path, content in sorted(with_header.items())
        )
        body = SkillBody(source.rpartition("/")[2], description, listed)
        return Resource(Kind.SKILL, source, Status.OK, body=body)

    def server(
        self,
        tools: Mapping[str, str] | None,
        *,
        source: str = "mcp:github",
        launch: str = "{}",
        instructions: str | None = None,
    ) -> Resource:
        catalogue = None
        if tools is not None:
            entries = tuple(
                ToolEntry(name, self.blob(text)) for name, text in sorted(tools.items())
            )
            told = None if instructions is None else self.blob(instructions)
            catalogue = Catalogue(told, entries)
        body = ServerBody(self.blob(launch), catalogue)
        return Resource(Kind.MCP_SERVER, source, Status.OK, body=body)

    def snapshot(self, *resources: Resource) -> Snapshot:
        return snapshot_of(resources)
