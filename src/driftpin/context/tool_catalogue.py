"""The catalogue of an MCP server: which of its tools can be pinned, and why the others cannot.

A definition is the RFC 8785 form of every field of a tool that a model sees. Whatever order a
server lists its tools in, the same tools give the same catalogue. A tool that breaks a rule is
dropped by itself, with a fixed reason; the rest of its server stays usable.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import rfc8785

from driftpin import limits
from driftpin.context.manifest import Json
from driftpin.context.resource import Catalogue, ToolEntry
from driftpin.context.schema_rules import find_schema_fault
from driftpin.identity import Digest, digest_of

TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_./-]{1,128}")
VISIBLE_FIELDS: Final = (
    "name",
    "title",
    "description",
    "inputSchema",
    "outputSchema",
    "annotations",
)


@dataclass(frozen=True, slots=True)
class DroppedTool:
    """A tool that is not offered; `name` as it was sent."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReadCatalogue:
    """What a server's answers amount to, with the bytes that the catalogue names."""

    catalogue: Catalogue
    blobs: Mapping[Digest, bytes] = field(repr=False)
    dropped: tuple[DroppedTool, ...] = ()


def read_catalogue(instructions: str | None, tools: Iterable[Mapping[str, Json]]) -> ReadCatalogue:
    """Return the catalogue of a server that sent these instructions and these tools."""
    listed = sorted(tools, key=lambda tool: str(tool.get("name", "")))
    counts = Counter(str(tool.get("name", "")) for tool in listed)
    room = _Room()
    blobs: dict[Digest, bytes] = {}
    entries: list[ToolEntry] = []
    dropped: list[DroppedTool] = []
    for tool in listed:
        name = str(tool.get("name", ""))
        found = _definition(tool) if counts[name] == 1 else "duplicate_tool"
        if isinstance(found, bytes) and not room.admit(found):
            found = "catalogue_too_large"
        if isinstance(found, str):
            dropped.append(DroppedTool(name, found))
            continue
        digest = digest_of(found)
        blobs[digest] = found
        entries.append(ToolEntry(name, digest))
    told = _instructions(instructions)
    if told is not None:
        blobs[digest_of(told)] = told
    catalogue = Catalogue(None if told is None else digest_of(told), tuple(entries))
    return ReadCatalogue(catalogue, blobs, tuple(dict.fromkeys(dropped)))


def find_definition(name: str, tools: Iterable[Mapping[str, Json]]) -> bytes | None:
    """Return the canonical definition of the tool with this name; None if it cannot be pinned.

    That is: none has the name, several have it, or the one that has it breaks a rule.
    """
    named = [tool for tool in tools if tool.get("name") == name]
    found = _definition(named[0]) if len(named) == 1 else None
    return found if isinstance(found, bytes) else None


@dataclass(slots=True)
class _Room:
    """What is left of a server's caps."""

    tools: int = limits.TOOLS_PER_SERVER_MAX
    definition_bytes: int = limits.TOOL_BYTES_PER_SERVER_MAX

    def admit(self, definition: bytes) -> bool:
        if self.tools == 0 or len(definition) > self.definition_bytes:
            return False
        self.tools -= 1
        self.definition_bytes -= len(definition)
        return True


def _definition(tool: Mapping[str, Json]) -> bytes | str:
    """Return the canonical bytes, or why the tool is dropped."""
    return next(_faults(tool), None) or _canonical(tool)


def _faults(tool: Mapping[str, Json]) -> Iterator[str]:
    name, description = tool.get("name"), tool.get("description") or ""
    if not isinstance(name, str) or TOOL_NAME.fullmatch(name) is None:
        yield "bad_tool_name"
    if not isinstance(description, str):
        yield "bad_description"
    elif len(description.encode(errors="replace")) > limits.TOOL_DESCRIPTION_BYTES_MAX:
        yield "description_too_long"
    fault = find_schema_fault(tool.get("inputSchema"), is_input=True)
    if fault is None and tool.get("outputSchema") is not None:
        fault = find_schema_fault(tool.get("outputSchema"), is_input=False)
    if fault is not None:
        yield fault


def _canonical(tool: Mapping[str, Json]) -> bytes | str:
    visible: dict[str, Json] = {
        field: tool[field] for field in VISIBLE_FIELDS if tool.get(field) is not None
    }
    try:
        return rfc8785.dumps(visible)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError):
        # A number past what JSON keeps, or a lone surrogate.
        return "bad_definition"


def _instructions(text: str | None) -> bytes | None:
    """Return the server's instructions; those that are too long or no text are left out."""
    if not text:
        return None
    try:
        content = text.encode()
    except UnicodeEncodeError:
        return None
    is_fit = len(content) <= limits.INSTRUCTION_BYTES_MAX and b"\0" not in content
    return content if is_fit else None


__all__ = ["TOOL_NAME", "DroppedTool", "ReadCatalogue", "find_definition", "read_catalogue"]
