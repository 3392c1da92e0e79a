"""What a workspace brings: one value per instruction file, skill, MCP config or MCP server.

A resource that is not ok keeps its place with a status and a fixed reason, so that it is seen, and
contributes nothing to a prompt. Nothing in here reads a file: see `agent.resolve`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from driftpin.identity import Digest


class Kind(StrEnum):
    """What a resource is. The order of the members is the order in which caps are applied."""

    INSTRUCTION_FILE = "instruction_file"
    SKILL = "skill"
    MCP_CONFIG = "mcp_config"
    MCP_SERVER = "mcp_server"


class Status(StrEnum):
    """Whether a resource, or one file of a skill, is usable."""

    OK = "ok"
    OVERSIZE = "oversize"
    UNREADABLE = "unreadable"
    INVALID = "invalid"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class SkillFile:
    """One file of a skill's folder; `path` is relative to it, with forward slashes.

    An ok file has a digest and its bytes are a blob. One past a cap is `oversize` or `excluded`; it
    keeps its digest, where that could be had, so that a change is still drift, but has no blob.
    """

    path: str
    executable: bool
    digest: Digest | None
    status: Status = Status.OK
    reason: str = ""


@dataclass(frozen=True, slots=True)
class InstructionBody:
    """The exact bytes of an instruction file, by digest."""

    digest: Digest


@dataclass(frozen=True, slots=True)
class SkillBody:
    """What an ok skill offers; `files` are ordered by path and contain `SKILL.md`."""

    name: str
    description: str
    files: tuple[SkillFile, ...]


@dataclass(frozen=True, slots=True)
class ToolEntry:
    """One tool of an MCP server; `digest` names the blob with its canonical definition."""

    name: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What an MCP server offered when it was last ready; tools are ordered by name."""

    instructions: Digest | None
    tools: tuple[ToolEntry, ...]


@dataclass(frozen=True, slots=True)
class ServerBody:
    """An MCP server; `identity` names its launch blob, a null catalogue is a hole."""

    identity: Digest
    catalogue: Catalogue | None


Body = InstructionBody | SkillBody | ServerBody | None


@dataclass(frozen=True, slots=True)
class Resource:
    """One entry of a manifest. `body` is None unless the status is ok, and always for a config."""

    kind: Kind
    source: str
    status: Status
    reason: str = ""
    body: Body = None

    @property
    def is_hole(self) -> bool:
        """Whether this is an MCP server whose tools were never known."""
        return isinstance(self.body, ServerBody) and self.body.catalogue is None


def precedence(source: str) -> tuple[int, str]:
    """Return the key that orders sources: declared roots, then the user's own, then the workspace.

    Only the source itself counts, so the order is the same wherever the manifest is read; declared
    roots stand in the order of their labels.
    """
    label = source.partition(":")[0]
    return ({"user": 1, "workspace": 2}.get(label, 0), source)


class NamedBlob(NamedTuple):
    """One place in a snapshot that names bytes: a source, a path inside it, and the digest."""

    source: str
    path: str
    digest: Digest


def blobs_of(resource: Resource) -> tuple[NamedBlob, ...]:
    """Return every blob that the resource needs, in the manifest's order.

    The path is empty for an instruction file, relative for a skill's file, and for a server
    `launch`, `instructions` or `tools/<name>`.
    """
    match resource.body:
        case InstructionBody(digest=digest):
            return (NamedBlob(resource.source, "", digest),)
        case SkillBody(files=files):
            return tuple(
                NamedBlob(resource.source, file.path, file.digest)
                for file in files
                if file.status is Status.OK and file.digest is not None
            )
        case ServerBody(identity=identity, catalogue=catalogue):
            return (
                NamedBlob(resource.source, "launch", identity),
                *_catalogue_blobs(resource.source, catalogue),
            )
        case None:
            return ()


def _catalogue_blobs(source: str, catalogue: Catalogue | None) -> tuple[NamedBlob, ...]:
    if catalogue is None:
        return ()
    tools = tuple(NamedBlob(source, f"tools/{tool.name}", tool.digest) for tool in catalogue.tools)
    if catalogue.instructions is None:
        return tools
    return (NamedBlob(source, "instructions", catalogue.instructions), *tools)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something worth a look in a resource that is still usable; never part of a digest.

    `code` is fixed (`hidden_char`, `bidi`, `yaml_lenient`, …); `line` and `column` start at 1;
    `preview` is already escaped for display.
    """

    code: str
    path: str = ""
    line: int | None = None
    column: int | None = None
    preview: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What an agent saw of one source beside its digest: sizes, aliases, warnings."""

    source: str
    size_bytes: int | None = None
    aliases: tuple[str, ...] = ()
    warnings: tuple[Finding, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ServerObservation:
    """How a listed MCP server stands: an observation, since a restart changes no digest.

    `keyed_digest` tells whether literal values changed, to nobody but the workspace itself;
    `dropped_tools` are (name, reason).
    """

    source: str
    config_source: str
    state: str
    reason: str = ""
    detail: str = ""
    keyed_digest: str | None = None
    dropped_tools: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Observations:
    """All that an agent reports beside a manifest; owner's information, outside every digest.

    `errors` are snapshot errors such as `root_replaced` or `scan_budget:<root>`; `degraded` says
    why watching is not complete, empty when it is; `roots` maps labels to absolute paths.
    """

    resources: tuple[Observation, ...] = ()
    errors: tuple[str, ...] = ()
    degraded: str = ""
    roots: tuple[tuple[str, str], ...] = ()
    not_recognised: tuple[str, ...] = ()
    servers: tuple[ServerObservation, ...] = ()


__all__ = [
    "Body",
    "Catalogue",
    "Finding",
    "InstructionBody",
    "Kind",
    "NamedBlob",
    "Observation",
    "Observations",
    "Resource",
    "ServerBody",
    "ServerObservation",
    "SkillBody",
    "SkillFile",
    "Status",
    "ToolEntry",
    "blobs_of",
]
