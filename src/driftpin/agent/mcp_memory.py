"""What the agent remembers of MCP servers between its runs: their catalogues, and a key.

Without it a restarted agent would push holes where tools were, and every chat would be dirty until
its servers are up again. Both files are replaced whole and readable by their owner only; the key
makes the digests by which a changed literal value shows, and never leaves the workspace.
"""

import base64
import json
import logging
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any, Final

from driftpin.agent.mcp_configs import Catalogues, KnownCatalogue
from driftpin.context.resource import Catalogue, ToolEntry
from driftpin.identity import Digest, digest_of

_VERSION: Final = 1
KEY_BYTES: Final = 32

_log = logging.getLogger(__name__)


class CatalogueFile:
    """The known catalogues of one workspace, kept at `path`."""

    def __init__(self, path: Path) -> None:
        """Work on the file at `path`, which need not exist yet."""
        self._path = path

    def read(self) -> dict[tuple[str, Digest], KnownCatalogue]:
        """Return what is remembered; a file that is broken is as good as none."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            if document["v"] != _VERSION:
                return {}
            return dict(_known(entry) for entry in document["servers"])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError):
            _log.warning("what was known of MCP servers cannot be read", exc_info=True)
            return {}

    def write(self, catalogues: Catalogues) -> None:
        """Remember exactly these; raises OSError."""
        servers = [
            _written(source, identity, known)
            for (source, identity), known in sorted(catalogues.items())
        ]
        write_private(self._path, json.dumps({"v": _VERSION, "servers": servers}).encode())


def read_key(path: Path) -> bytes:
    """Return the workspace's key, made at its first use; raises OSError."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = b""
    if len(key) != KEY_BYTES:
        key = secrets.token_bytes(KEY_BYTES)
        write_private(path, key)
    return key


def write_private(path: Path, content: bytes) -> None:
    """Replace a file whole, readable by its owner only; raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _written(source: str, identity: Digest, known: KnownCatalogue) -> dict[str, Any]:
    return {
        "source": source,
        "identity": identity,
        "instructions": known.catalogue.instructions,
        "tools": [[tool.name, tool.digest] for tool in known.catalogue.tools],
        "blobs": [base64.b64encode(content).decode() for content in known.blobs.values()],
    }


def _known(entry: dict[str, Any]) -> tuple[tuple[str, Digest], KnownCatalogue]:
    contents = [base64.b64decode(text, validate=True) for text in entry["blobs"]]
    blobs = {digest_of(content): content for content in contents}
    tools = tuple(ToolEntry(str(name), Digest(str(digest))) for name, digest in entry["tools"])
    instructions = entry["instructions"]
    told = None if instructions is None else Digest(str(instructions))
    catalogue = Catalogue(told, tools)
    named = {tool.digest for tool in tools} | ({told} if told else set())
    if named != blobs.keys():
        raise ValueError("what is remembered does not have the bytes that it names")
    key = (str(entry["source"]), Digest(str(entry["identity"])))
    return key, KnownCatalogue(catalogue, blobs)


__all__ = ["CatalogueFile", "read_key", "write_private"]
