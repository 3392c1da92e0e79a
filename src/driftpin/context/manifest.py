"""The manifest: the canonical list of a snapshot's resources, and the digests over it.

A manifest is the RFC 8785 (JCS) form of `{"v": 1, "resources": [...]}`, resources ordered by
(kind, source). The snapshot digest is the SHA-256 of those bytes. The same tree gives the same
bytes on any machine, in any order of listing (spec/context.md §3).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final

import msgspec

from driftpin.context.resource import (
    Body,
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

MANIFEST_VERSION: Final = 1
PROMPT_KINDS: Final = frozenset({Kind.INSTRUCTION_FILE, Kind.SKILL})
TOOL_KINDS: Final = frozenset({Kind.MCP_SERVER})
# Looked up for every resource; calling an enumeration costs three times as much.
KINDS: Final = {kind.value: kind for kind in Kind}
STATUSES: Final = {status.value: status for status in Status}

# Gives the bytes of RFC 8785 for what a manifest consists of: text, yes, no and nothing, under keys
# in ASCII. Numbers and other keys would need more.
CANONICAL: Final = msgspec.json.Encoder(order="sorted")

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
# Entries of a manifest by their sources.
Entries = Mapping[str, Mapping[str, Json]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A manifest with its resources and digests; the bytes that it names live elsewhere."""

    resources: tuple[Resource, ...]
    manifest: bytes
    digest: Digest
    prompt_digest: Digest
    tools_digest: Digest

    @property
    def has_holes(self) -> bool:
        """Whether an MCP server is listed whose tools were never known."""
        return any(resource.is_hole for resource in self.resources)


@dataclass(frozen=True, slots=True)
class Part:
    """As much of a snapshot as a comparison with another looks at, under the digest of all."""

    resources: tuple[Resource, ...]
    digest: Digest


def snapshot_of(resources: Iterable[Resource]) -> Snapshot:
    """Return the snapshot that lists these resources, in whatever order they come.

    Two resources with one source are a programming fault here; a pushed manifest is checked
    before it gets this far.
    """
    ordered = tuple(sorted(resources, key=attrgetter("kind", "source")))
    assert len({resource.source for resource in ordered}) == len(ordered), (
        "one source, one resource"
    )
    written = {kind: _entries(some) for kind, some in groupby(ordered, key=attrgetter("kind"))}
    manifest = _document(written.values())
    return Snapshot(
        resources=ordered,
        manifest=manifest,
        digest=digest_of(manifest),
        prompt_digest=digest_of(
            _document(e for kind, e in written.items() if kind in PROMPT_KINDS)
        ),
        tools_digest=digest_of(_document(e for kind, e in written.items() if kind in TOOL_KINDS)),
    )


def canonical_manifest(resources: Iterable[Resource]) -> bytes:
    """Return the RFC 8785 bytes of a manifest with these resources, in the given order."""
    return _document([_entries(resources)])


def _entries(resources: Iterable[Resource]) -> bytes:
    """Write the resources one behind the other; raises ValueError for text that is not Unicode."""
    return CANONICAL.encode([resource_to_json(entry) for entry in resources])[1:-1]


def _document(entries: Iterable[bytes]) -> bytes:
    # Entries are written once and joined: "resources" sorts before "v", and RFC 8785 has no space.
    return b'{"resources":[' + b",".join(entries) + b'],"v":%d}' % MANIFEST_VERSION


def entry_digest(resource: Resource) -> Digest:
    """Return the digest of the resource's own entry: the same entry, the same digest, anywhere."""
    return digest_of(_entries([resource]))


def resource_to_json(resource: Resource) -> dict[str, Json]:
    """Return the resource as the manifest writes it."""
    return {
        "kind": str(resource.kind),
        "source": resource.source,
        "status": str(resource.status),
        "reason": resource.reason,
        **_body_to_json(resource.body),
    }


def resources_of(manifest: bytes) -> tuple[Resource, ...]:
    """Return what a manifest lists, in its order; the bytes are those of an accepted one.

    Raises ValueError, KeyError, TypeError or AssertionError for anything else.
    """
    return tuple(resource_from_json(entry) for entry in json.loads(manifest)["resources"])


def entries_of(manifest: bytes) -> Entries:
    """Return what an accepted manifest lists, as it is written."""
    return {entry["source"]: entry for entry in msgspec.json.decode(manifest)["resources"]}


def part_beside(entries: Entries, others: Entries) -> tuple[Resource, ...]:
    """Return what the others have not exactly so, and every MCP server, as resources.

    Most of two snapshots is the same, and need not be made into resources to see that.
    """
    return tuple(
        resource_from_json(entry)
        for source, entry in entries.items()
        if entry["kind"] in TOOL_KINDS or others.get(source) != entry
    )


def resource_from_json(entry: Mapping[str, Json]) -> Resource:
    """Return the resource that a manifest entry stands for.

    The entry must have come out of `resource_to_json` or passed `wire.push.read_manifest`; anything
    else is a programming fault and raises KeyError or ValueError.
    """
    kind = KINDS[str(entry["kind"])]
    status = STATUSES[str(entry["status"])]
    return Resource(
        kind=kind,
        source=str(entry["source"]),
        status=status,
        reason=str(entry["reason"]),
        body=_body_from_json(kind, entry) if status is Status.OK else None,
    )


def _body_to_json(body: Body) -> dict[str, Json]:
    match body:
        case InstructionBody(digest=digest):
            return {"digest": digest}
        case SkillBody(name=name, description=description, files=files):
            listed: list[Json] = [_file_to_json(file) for file in files]
            return {"name": name, "description": description, "files": listed}
        case ServerBody(identity=identity, catalogue=catalogue):
            return {"identity": identity, "catalogue": _catalogue_to_json(catalogue)}
        case None:
            return {}


def _file_to_json(file: SkillFile) -> dict[str, Json]:
    written: dict[str, Json] = {
        "path": file.path,
        "executable": file.executable,
        "digest": file.digest,
    }
    if file.status is not Status.OK:
        written |= {"status": file.status.value, "reason": file.reason}
    return written


def _catalogue_to_json(catalogue: Catalogue | None) -> Json:
    if catalogue is None:
        return None
    tools: list[Json] = [{"name": tool.name, "digest": tool.digest} for tool in catalogue.tools]
    return {"instructions": catalogue.instructions, "tools": tools}


def _body_from_json(kind: Kind, entry: Mapping[str, Json]) -> Body:
    match kind:
        case Kind.INSTRUCTION_FILE:
            return InstructionBody(Digest(str(entry["digest"])))
        case Kind.SKILL:
            files = entry["files"]
            assert isinstance(files, list)
            return SkillBody(
                name=str(entry["name"]),
                description=str(entry["description"]),
                files=tuple(_file_from_json(file) for file in files),
            )
        case Kind.MCP_SERVER:
            catalogue = _catalogue_from_json(entry["catalogue"])
            return ServerBody(Digest(str(entry["identity"])), catalogue)
        case Kind.MCP_CONFIG:
            return None


def _file_from_json(entry: Json) -> SkillFile:
    assert isinstance(entry, dict)
    digest = entry["digest"]
    return SkillFile(
        path=str(entry["path"]),
        executable=bool(entry["executable"]),
        digest=None if digest is None else Digest(str(digest)),
        status=Status(str(entry.get("status", Status.OK.value))),
        reason=str(entry.get("reason", "")),
    )


def _catalogue_from_json(entry: Json) -> Catalogue | None:
    if entry is None:
        return None
    assert isinstance(entry, dict)
    tools, instructions = entry["tools"], entry["instructions"]
    assert isinstance(tools, list)
    return Catalogue(
        instructions=None if instructions is None else Digest(str(instructions)),
        tools=tuple(_tool_from_json(tool) for tool in tools),
    )


def _tool_from_json(entry: Json) -> ToolEntry:
    assert isinstance(entry, dict)
    return ToolEntry(str(entry["name"]), Digest(str(entry["digest"])))


__all__ = [
    "MANIFEST_VERSION",
    "PROMPT_KINDS",
    "TOOL_KINDS",
    "Entries",
    "Json",
    "Part",
    "Snapshot",
    "canonical_manifest",
    "entries_of",
    "entry_digest",
    "part_beside",
    "resource_from_json",
    "resource_to_json",
    "resources_of",
    "snapshot_of",
]
