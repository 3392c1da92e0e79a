"""The places an agent looks at, in order of precedence, and how each is opened.

A root is opened anew in every pass, component by component and never through a link, so that a
root which was replaced by a link after the start is reported and not followed.
"""

import errno
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from driftpin.agent.beneath import DIRECTORY_HANDLE_FLAGS
from driftpin.agent.exhaustion import is_exhaustion
from driftpin.agent.names import joined, shown_name
from driftpin.errors import Rejected

WORKSPACE_LABEL: Final = "workspace"
USER_LABEL: Final = "user"
USER_DIRECTORIES: Final = (".config/driftpin", ".agents", ".claude", ".codex")
USER_MCP_DIRECTORY: Final = ".config/driftpin"
RESERVED_LABELS: Final = frozenset({WORKSPACE_LABEL, USER_LABEL, "mcp"})
LABEL_PATTERN: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class DeclaredSource:
    """A directory that the user declared, under the label that its sources get."""

    label: str
    path: Path


@dataclass(frozen=True, slots=True)
class Root:
    """One place to look at. `prefix` stands before every path of it in a source.

    `path` is absolute and has no link in it when the root is listed. `is_optional`: its absence is
    no error.
    """

    label: str
    path: Path
    is_workspace: bool = False
    reads_mcp: bool = False
    prefix: str = ""
    is_optional: bool = False

    @property
    def name(self) -> str:
        """How errors name the root: `workspace`, `user:.claude`."""
        return f"{self.label}:{self.prefix}" if self.prefix else self.label

    @property
    def is_skill_container(self) -> bool:
        """Whether its child directories are skills themselves."""
        return self.path.name == "skills"

    def source(self, path: str) -> str:
        """Return the source of a path below this root, escaped, however long it is.

        `agent.caps` cuts one that is too long.
        """
        return f"{self.label}:{shown_name(joined(self.prefix, path))}"


class RootProblem(StrEnum):
    """Why a root could not be looked at; a snapshot error."""

    MISSING = "root_missing"
    REPLACED = "root_replaced"
    UNREADABLE = "root_unreadable"
    UNMOUNTED = "root_unmounted"


def check_label(label: str) -> None:
    """Raise Rejected (`bad_source_name`) unless the label may stand before a source."""
    if LABEL_PATTERN.fullmatch(label) is None or label in RESERVED_LABELS:
        raise Rejected(
            f"{label!r} cannot name a source; expected up to 32 lower-case letters, digits and"
            f" hyphens, and none of {sorted(RESERVED_LABELS)}",
            code="bad_source_name",
        )


def list_roots(
    workspace: Path, *, sources: Iterable[DeclaredSource] = (), home: Path | None = None
) -> tuple[Root, ...]:
    """Return the roots in order of precedence: declared sources, the user's own, the workspace.

    Without `home` the user's own are left out. A path that is reached through links is resolved
    here, once; what becomes a link later is not followed.
    """
    return (
        *(declared_root(source) for source in sources),
        *(_user_roots(home) if home is not None else ()),
        Root(WORKSPACE_LABEL, _resolved(workspace), is_workspace=True, reads_mcp=True),
    )


def declared_root(source: DeclaredSource) -> Root:
    """Return the root of a declared source; links on the way to it are resolved here, once."""
    check_label(source.label)
    return Root(source.label, _resolved(source.path))


def _user_roots(home: Path) -> tuple[Root, ...]:
    return tuple(
        Root(
            USER_LABEL,
            _resolved(home / directory),
            reads_mcp=directory == USER_MCP_DIRECTORY,
            prefix=directory,
            is_optional=True,
        )
        for directory in USER_DIRECTORIES
    )


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))


def open_root(path: Path) -> int | RootProblem:
    """Return a handle of the directory at an absolute path, through no link at all.

    The caller closes it. A lack of descriptors or memory is raised as the OSError that it is.
    """
    handle = os.open("/", DIRECTORY_HANDLE_FLAGS)
    for part in path.parts[1:]:
        try:
            inner = os.open(part, DIRECTORY_HANDLE_FLAGS, dir_fd=handle)
        except OSError as error:
            if is_exhaustion(error):
                raise
            return _problem_at(handle, part, error)
        finally:
            os.close(handle)
        handle = inner
    return handle


def _problem_at(handle: int, part: str, error: OSError) -> RootProblem:
    match error.errno:
        case errno.ENOENT:
            return RootProblem.MISSING
        case errno.ENOTDIR | errno.ELOOP:
            return RootProblem.REPLACED if _is_link(handle, part) else RootProblem.MISSING
        case _:
            return RootProblem.UNREADABLE


def _is_link(handle: int, part: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(part, dir_fd=handle, follow_symlinks=False).st_mode)
    except OSError:
        return False


__all__ = [
    "LABEL_PATTERN",
    "RESERVED_LABELS",
    "USER_DIRECTORIES",
    "USER_LABEL",
    "WORKSPACE_LABEL",
    "DeclaredSource",
    "Root",
    "RootProblem",
    "check_label",
    "declared_root",
    "list_roots",
    "open_root",
]
