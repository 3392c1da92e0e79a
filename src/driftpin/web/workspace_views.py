"""Workspaces with their agents, their head, and the servers that wait for a person."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from driftpin.identity import AgentId, ChatId, Digest, WorkspaceId
from driftpin.store.values import AgentRow, SnapshotRef, WorkspaceRow
from driftpin.web.context_views import ResourceLine
from driftpin.web.policy_views import PoliciesShown


@dataclass(frozen=True, slots=True)
class WorkspaceLine:
    """One workspace in a list."""

    id: WorkspaceId
    name: str
    head: Digest | None
    used_bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AgentLine:
    """One agent. `degraded` says why it may see changes late, empty when it does not."""

    id: AgentId
    name: str
    is_connected: bool
    is_current: bool
    is_locked: bool
    head: Digest | None
    head_at: datetime | None
    seen_at: datetime | None
    degraded: str
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServerLine:
    """An MCP server with what would run, in good order and to the byte, and how it was decided."""

    source: str
    identity: Digest
    launch: str
    exact: str
    keyed_digest: str
    decision: str
    state: str
    reason: str
    detail: str
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorkspaceShown:
    """A workspace with everything in it."""

    line: WorkspaceLine
    policies: PoliciesShown
    agents: tuple[AgentLine, ...]
    servers: tuple[ServerLine, ...]
    resources: tuple[ResourceLine, ...]


@dataclass(frozen=True, slots=True)
class WorkspaceList:
    """All workspaces of a person."""

    lines: tuple[WorkspaceLine, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class UserOfDigest:
    """A chat whose pin names a digest, and where in it."""

    chat_id: ChatId
    title: str
    source: str
    path: str


@dataclass(frozen=True, slots=True)
class DigestShown:
    """The bytes of a digest, and which chats run on them. `text` is None where it is no text."""

    digest: Digest
    size_bytes: int
    text: str | None
    is_cut: bool
    used_by: tuple[UserOfDigest, ...]


def workspace_line(row: WorkspaceRow) -> WorkspaceLine:
    """Return one line of a list."""
    return WorkspaceLine(row.id, row.name, _digest(row.head), row.used_bytes, row.created_at)


def agent_lines(rows: Iterable[AgentRow], current_id: AgentId | None) -> tuple[AgentLine, ...]:
    """Return the agents, the present one first."""
    lines = [_agent_line(row, is_current=row.id == current_id) for row in rows]
    return tuple(sorted(lines, key=lambda line: not line.is_current))


def _agent_line(row: AgentRow, *, is_current: bool) -> AgentLine:
    seen = row.observations or {}
    return AgentLine(
        id=row.id,
        name=row.name or "agent",
        is_connected=row.is_connected,
        is_current=is_current,
        is_locked=row.locked_at is not None,
        head=_digest(row.head),
        head_at=row.head_at,
        seen_at=row.seen_at,
        degraded=_text(seen, "degraded"),
        errors=_texts(seen, "errors"),
    )


def _digest(snapshot: SnapshotRef | None) -> Digest | None:
    return None if snapshot is None else snapshot.digest


def _text(seen: Mapping[str, object], key: str) -> str:
    """Return what an agent says; one of somebody's own making may say anything."""
    value = seen.get(key)
    return value if isinstance(value, str) else ""


def _texts(seen: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = seen.get(key)
    return tuple(str(each) for each in value) if isinstance(value, list) else ()


__all__ = [
    "AgentLine",
    "DigestShown",
    "ServerLine",
    "UserOfDigest",
    "WorkspaceLine",
    "WorkspaceList",
    "WorkspaceShown",
    "agent_lines",
    "workspace_line",
]
