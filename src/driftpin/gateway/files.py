"""The pinned files as MCP resources: instruction files, and every file of every skill."""

import base64
import mimetypes
from typing import Final

import mcp_types

from driftpin.context.resource import Kind, Status
from driftpin.errors import NotFound, Unavailable
from driftpin.gateway.uris import find_place, uri_of
from driftpin.gateway.visitor import Visitor
from driftpin.store.store import Store
from driftpin.store.values import PinnedEntry

SHOWN: Final = (Kind.INSTRUCTION_FILE, Kind.SKILL)
MARKDOWN: Final = "text/markdown"
LOOKS_MAX: Final = 5
# What a machine adds to Python's own table must not change what is told of a pin.
TYPES: Final = mimetypes.MimeTypes(filenames=())
TYPES.add_type(MARKDOWN, ".md")


async def list_files(store: Store, visitor: Visitor) -> list[PinnedEntry]:
    """Return every file of the chat's pin whose bytes are pinned, out of one statement."""
    lines = await store.list_pinned_entries(visitor.actor, visitor.chat_id)
    return [
        entry
        for entry in lines.entries
        if entry.kind in SHOWN and entry.status is Status.OK and entry.digest is not None
    ]


def resource_of(visitor: Visitor, entry: PinnedEntry) -> mcp_types.Resource:
    """Return how a file is listed."""
    return mcp_types.Resource(
        uri=uri_of(visitor.chat_id, entry.source, entry.path),
        name=name_of(entry),
        mime_type=media_type_of(entry),
        size=entry.size_bytes,
        _meta={"driftpin/source": entry.source, "driftpin/digest": entry.digest},
    )


def name_of(entry: PinnedEntry) -> str:
    """Return what a file is called: its source, and its path inside a skill."""
    return f"{entry.source}/{entry.path}" if entry.path else entry.source


def media_type_of(entry: PinnedEntry) -> str | None:
    """Return the media type that a file's name stands for, None where it stands for none."""
    if entry.kind is Kind.INSTRUCTION_FILE:
        return MARKDOWN
    return TYPES.guess_type(entry.path, strict=False)[0]


async def read_file(
    store: Store, visitor: Visitor, uri: str
) -> mcp_types.TextResourceContents | mcp_types.BlobResourceContents:
    """Return the bytes of a pinned file: as text where they are text.

    Raises NotFound, in the same words for every address that the pin does not have, and Unavailable
    (`pin_moving`) for a pin that does not stand still.
    """
    place = find_place(uri, visitor.chat_id)
    for _ in range(LOOKS_MAX):
        found = [
            entry
            for entry in await list_files(store, visitor)
            if (entry.source, entry.path) == place
        ]
        if not found:
            raise NotFound("The pin has no file of this address.", code="file_not_found")
        (entry,) = found
        assert entry.digest is not None
        bodies = await store.read_blobs(visitor.actor, visitor.workspace_id, {entry.digest})
        if entry.digest in bodies:
            return _contents(uri, media_type_of(entry), bodies[entry.digest])
    raise Unavailable("The pin is moving; look again.", code="pin_moving")


def _contents(
    uri: str, media_type: str | None, content: bytes
) -> mcp_types.TextResourceContents | mcp_types.BlobResourceContents:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        blob = base64.b64encode(content).decode("ascii")
        kind = media_type or "application/octet-stream"
        return mcp_types.BlobResourceContents(uri=uri, mime_type=kind, blob=blob)
    return mcp_types.TextResourceContents(uri=uri, mime_type=media_type or "text/plain", text=text)


__all__ = ["list_files", "name_of", "read_file", "resource_of"]
