"""The tools of pinned MCP servers as models are offered them, and what a call of one must say.

Everything comes out of the pin; nothing is asked of a server. A tool is offered as `server__tool`.
Where that is no name that every provider takes, what is not allowed is replaced and a mark is added
that depends on the two names alone, so that a name never changes because of other tools.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from driftpin.chat.cleaning import clean_text, remove_hidden
from driftpin.chat.pinned import PinnedContext
from driftpin.chat.tools import ToolDefinition
from driftpin.context.manifest import Json
from driftpin.context.resource import Resource, ServerBody, Status, ToolEntry
from driftpin.context.tool_check import PinnedIdentity, meaning_of
from driftpin.identity import Digest, digest_of

NAME_CHARACTERS_MAX: Final = 64
SEPARATOR: Final = "__"
_NOT_ALLOWED: Final = re.compile(r"[^a-zA-Z0-9_-]")
_MARK_CHARACTERS: Final = 8
_PROSE: Final = ("title", "description")
_HINTS: Final = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")


@dataclass(frozen=True, slots=True)
class McpTool:
    """A pinned tool: as it is offered, and by the names that its server and it have themselves.

    `schema` is the pinned one, which arguments are checked against; `definition` the canonical
    bytes that were pinned, `server` the identity of their server.
    """

    offered: ToolDefinition
    source: str
    name: str
    schema: dict[str, Json]
    server: Digest
    definition: bytes

    @property
    def pinned(self) -> PinnedIdentity:
        """What a live tool is compared with; takes a while for a large schema."""
        return PinnedIdentity(self.server, digest_of(self.definition), meaning_of(self.definition))


@dataclass(frozen=True, slots=True)
class ToolListing:
    """What a pinned definition says beside what models are sent, for clients that list tools.

    `hints` are those of the protocol that are yes or no; `output_schema` is of type object.
    """

    title: str | None = None
    hints: Mapping[str, bool] = field(default_factory=dict)
    output_schema: dict[str, Json] | None = None


def listing_of(tool: McpTool) -> ToolListing:
    """Return what else is listed of a tool, cleaned like the rest; what cannot be is left out."""
    definition = json.loads(tool.definition)
    told = definition.get("annotations")
    annotations = told if isinstance(told, dict) else {}
    title = definition.get("title") or annotations.get("title")
    schema = _visible(definition.get("outputSchema"))
    return ToolListing(
        clean_text(title) if isinstance(title, str) else None,
        {name: annotations[name] for name in _HINTS if isinstance(annotations.get(name), bool)},
        schema if isinstance(schema, dict) and schema.get("type") == "object" else None,
    )


def blobs_for_tools(resources: Iterable[Resource]) -> tuple[Digest, ...]:
    """Return the digests whose bytes `mcp_tools` needs."""
    return tuple(entry.digest for _, _, entry in _pinned(resources))


def mcp_tools(context: PinnedContext, *, reserved: Collection[str] = ()) -> tuple[McpTool, ...]:
    """Return every tool of the servers in the pin that are known, ordered by offered name.

    `context.bodies` must hold what `blobs_for_tools` names. Names in `reserved` are taken: a tool
    that would get one is left out (`tool_collision`), and so are two that would get the same.
    """
    found: dict[str, list[McpTool]] = {name: [] for name in reserved}
    for source, body, entry in _pinned(context.resources):
        tool = _tool(source, body, entry, context.bodies[entry.digest])
        if tool is not None:
            found.setdefault(tool.offered.name, []).append(tool)
    alone = [tools[0] for name, tools in found.items() if len(tools) == 1 and name not in reserved]
    return tuple(sorted(alone, key=lambda tool: tool.offered.name))


def offered_name(server: str, tool: str) -> str:
    """Return the name under which a server's tool is offered, valid for every provider."""
    plain = f"{server}{SEPARATOR}{tool}"
    valid = _NOT_ALLOWED.sub("_", plain)
    if valid == plain and len(plain) <= NAME_CHARACTERS_MAX:
        return plain
    mark = hashlib.sha256(f"{server}\0{tool}".encode()).hexdigest()[:_MARK_CHARACTERS]
    return f"{valid[: NAME_CHARACTERS_MAX - len(mark) - 1]}_{mark}"


def _pinned(resources: Iterable[Resource]) -> Iterable[tuple[str, ServerBody, ToolEntry]]:
    for resource in resources:
        body = resource.body
        if resource.status is Status.OK and isinstance(body, ServerBody) and body.catalogue:
            for entry in body.catalogue.tools:
                yield resource.source, body, entry


def _tool(source: str, body: ServerBody, entry: ToolEntry, content: bytes) -> McpTool | None:
    definition = json.loads(content)
    schema = definition.get("inputSchema")
    shown = _visible(schema)
    if not isinstance(schema, dict) or not isinstance(shown, dict):
        # A pinned definition has passed these checks; hidden text in names has not.
        return None
    said = definition.get("description") or definition.get("title") or ""
    server = source.partition(":")[2]
    offered = ToolDefinition(
        offered_name(server, entry.name), clean_text(said), {"type": "object", **shown}
    )
    return McpTool(offered, source, entry.name, schema, body.identity, content)


def _visible(schema: Json) -> Json:
    """Return the schema with its prose cleaned; None if hidden text stands where it has a meaning.

    A name or a value cannot be cleaned: it would be another one.
    """
    try:
        return _cleaned(schema, is_prose=False)
    except _HiddenError:
        return None


class _HiddenError(Exception):
    """Hidden text where it cannot be taken out; never leaves this module."""


def _cleaned(value: Json, *, is_prose: bool) -> Json:
    match value:
        case str():
            if is_prose:
                return clean_text(value)
            if remove_hidden(value) != value:
                raise _HiddenError
            return value
        case list():
            return [_cleaned(each, is_prose=False) for each in value]
        case Mapping():
            return {
                str(_cleaned(key, is_prose=False)): _cleaned(each, is_prose=key in _PROSE)
                for key, each in value.items()
            }
        case _:
            return value


__all__ = [
    "NAME_CHARACTERS_MAX",
    "McpTool",
    "ToolListing",
    "blobs_for_tools",
    "listing_of",
    "mcp_tools",
    "offered_name",
]
