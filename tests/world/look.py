"""What stands in the database of a simulated world, read past the product."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HEADS: Final = """
    SELECT a.id, a.incarnation, a.head_incarnation, a.head_seq, s.digest
    FROM agents a LEFT JOIN snapshots s ON s.id = a.head_id
"""
PINS: Final = """
    SELECT p.chat_id, p.agent_id, s.digest, p.revision, p.is_archived
    FROM chat_pins p LEFT JOIN snapshots s ON s.id = p.snapshot_id
"""
MOVES: Final = """
    SELECT chat_id, revision, verb, from_digest, to_digest, event_id FROM chat_pin_history
"""


@dataclass(frozen=True, slots=True)
class SeenHead:
    """An agent: the newest incarnation, and the head with its pair."""

    incarnation: int
    pair: tuple[int, int]
    digest: str | None


@dataclass(frozen=True, slots=True)
class SeenPin:
    """A chat's pin."""

    agent_id: str | None
    digest: str | None
    revision: int
    is_archived: bool


@dataclass(frozen=True, slots=True)
class SeenMove:
    """A row of a chat's history."""

    chat_id: str
    revision: int
    verb: str
    from_digest: str | None
    to_digest: str | None
    event_id: int


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """A stored event."""

    number: int
    kind: str
    chat_id: str | None
    agent_id: str | None


@dataclass(frozen=True, slots=True)
class Look:
    """One moment."""

    heads: Mapping[str, SeenHead]
    pins: Mapping[str, SeenPin]
    moves: Mapping[tuple[str, int], SeenMove]
    shares: frozenset[tuple[str, str, str]]
    current_agent: str | None


class Observer:
    """Looks with a connection of its own; `events` is every event that was ever there."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self._version = -1
        self.events: list[SeenEvent] = []

    def close(self) -> None:
        self._connection.close()

    def has_changed(self) -> bool:
        """Whether anything was committed since this was asked."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        has_changed = version != self._version
        self._version = version
        return bool(has_changed)

    def look(self) -> Look:
        """Return what is there now."""
        execute = self._connection.execute
        return Look(
            heads={
                agent: SeenHead(incarnation, (head_incarnation, seq), _named(digest))
                for agent, incarnation, head_incarnation, seq, digest in execute(HEADS)
            },
            pins={
                chat: SeenPin(agent, _named(digest), revision, bool(is_archived))
                for chat, agent, digest, revision, is_archived in execute(PINS)
            },
            moves={
                (chat, revision): SeenMove(chat, revision, verb, _named(before), _named(to), event)
                for chat, revision, verb, before, to, event in execute(MOVES)
            },
            shares=frozenset(execute("SELECT chat_id, user_id, access FROM chat_shares")),
            current_agent=execute("SELECT current_agent_id FROM workspaces").fetchone()[0],
        )

    def new_events(self) -> list[SeenEvent]:
        """Return the events since this was asked, and keep them."""
        last = self.events[-1].number if self.events else 0
        rows = self._connection.execute(
            "SELECT id, kind, chat_id, agent_id FROM events WHERE id > ? ORDER BY id", (last,)
        )
        fresh = [SeenEvent(*row) for row in rows]
        self.events += fresh
        return fresh


def _named(digest: bytes | str | None) -> str | None:
    return f"sha256:{digest.hex()}" if isinstance(digest, bytes) else digest


__all__ = ["Look", "Observer", "SeenEvent", "SeenHead", "SeenMove", "SeenPin"]
