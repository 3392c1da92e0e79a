"""What the agent and the commands on its machine say to each other, and where they meet.

A Unix socket in the user's runtime directory, named by a digest of the workspace's real path. One
JSON object a line: `{"call", "arguments"}` goes in, `{"result"}` or `{"error": {"code",
"message"}}` comes out. The socket reads and rescans; no call of it approves or refreshes.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

from driftpin.context.manifest import Json
from driftpin.errors import Forbidden

# The kernel's limit on the path of a Unix socket, with its closing zero byte.
SOCKET_PATH_BYTES_MAX: Final = 107
NAME_DIGITS: Final = 24


class LocalCall(StrEnum):
    """Every call that the socket answers."""

    STATUS = "status"
    SCAN = "scan"
    RESYNC = "resync"
    READY = "ready"
    SOURCES_LIST = "sources.list"
    SOURCES_ADD = "sources.add"
    SOURCES_REMOVE = "sources.remove"
    EXPLAIN = "explain"


class LocalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call, as a line of JSON."""

    call: LocalCall
    arguments: dict[str, Any] = {}


class LocalError(msgspec.Struct, frozen=True):
    """Why a call was refused."""

    code: str
    message: str


class LocalReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one call, as a line of JSON; exactly one of both is there."""

    result: Any = None
    error: LocalError | None = None


def encode_line(value: LocalRequest | LocalReply) -> bytes:
    """Return the value as one line."""
    return msgspec.json.encode(value) + b"\n"


def result_line(result: Json) -> bytes:
    """Return the line that answers a call."""
    return encode_line(LocalReply(result=result))


def error_line(code: str, message: str) -> bytes:
    """Return the line that refuses a call."""
    return encode_line(LocalReply(error=LocalError(code, message)))


def socket_paths(workspace: Path, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where the socket of this workspace's agent may be, the best place first.

    A place whose paths would be too long for a socket is left out.
    """
    real = os.fsencode(os.path.realpath(workspace))
    name = f"agent-{hashlib.sha256(real).hexdigest()[:NAME_DIGITS]}.sock"
    places = [Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108 - a private directory below
    directories = [place / f"driftpin-{os.getuid()}" for place in places]
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        directories.insert(0, Path(runtime) / "driftpin")
    paths = dict.fromkeys(directory / name for directory in directories)
    return tuple(p for p in paths if len(os.fsencode(p)) <= SOCKET_PATH_BYTES_MAX)


def check_is_private(directory: Path) -> None:
    """Raise Forbidden unless the directory is the user's own and nobody else can enter it."""
    status = directory.lstat()
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    if not is_own or status.st_mode & 0o077:
        raise Forbidden(
            f"{str(directory)!r} must be your own directory with mode 0700", code="unsafe_directory"
        )


__all__ = [
    "LocalCall",
    "LocalError",
    "LocalReply",
    "LocalRequest",
    "check_is_private",
    "encode_line",
    "error_line",
    "result_line",
    "socket_paths",
]
