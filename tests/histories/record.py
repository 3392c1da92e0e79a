"""What clients did and saw, written down as they did: the record that the checker judges."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Final

from driftpin.events.event import Position
from histories.ring import Ring

Pair = tuple[int, int]


class What(StrEnum):
    """What was called."""

    HELLO = "hello"
    PUSH = "push"
    UPLOAD = "upload"
    CREATE = "create"
    FORK = "fork"
    REFRESH = "refresh"
    ROLL_BACK = "roll_back"
    ARCHIVE = "archive"
    SHARE = "share"
    UNSHARE = "unshare"
    CONTEXT = "context"
    EXPORT = "export"
    DRIFT = "drift"
    HISTORY = "history"
    LIST = "list"
    HEAD = "head"
    COLLECT = "collect"
    LISTEN = "listen"


class Ended(StrEnum):
    """How a call ended."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


MOVES: Final = frozenset({What.REFRESH, What.ROLL_BACK})
READS: Final = frozenset({What.CONTEXT, What.EXPORT, What.DRIFT, What.HISTORY})


@dataclass(frozen=True, slots=True)
class Call:
    """One call. Seconds are monotonic; one whose end is not known may still take effect.

    `digest` and `revision` are what was pushed, or what was seen of a pin; `shown` is the revision
    that was asked to be still so, `to` the snapshot that was asked for.
    """

    client: str
    user: str
    what: What
    begin_s: float
    end_s: float = inf
    ended: Ended = Ended.OK
    code: str = ""
    chat: str = ""
    agent: str = ""
    other: str = ""
    pair: Pair | None = None
    result: str = ""
    digest: str | None = None
    revision: int | None = None
    shown: int | None = None
    to: str | None = None
    head: str | None = None
    title: str = ""
    flag: bool = False
    rings: tuple[Ring, ...] = ()
    sources: frozenset[str] = frozenset()
    chats: frozenset[str] = frozenset()

    @property
    def is_ok(self) -> bool:
        return self.ended is Ended.OK


@dataclass(frozen=True, slots=True)
class Told:
    """One event that reached a reader; `session` counts its streams that began without a gap.

    `position` is None for what the server derived. A session's first has no kind: it says where the
    stream began.
    """

    reader: str
    user: str
    at_s: float
    session: int
    kind: str = ""
    position: Position | None = None
    chat: str = ""
    workspace: str = ""
    revision: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """One event as the database held it."""

    position: Position
    kind: str
    workspace: str
    chat: str = ""
    agent: str = ""
    digest: str | None = None
    verb: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A chat as a list shows it."""

    revision: int
    digest: str | None
    head: str | None


@dataclass(frozen=True, slots=True)
class HistoryMove:
    """One row of a chat's history."""

    revision: int
    verb: str
    before: str | None
    to: str | None
    actor: str


@dataclass(frozen=True, slots=True)
class FinalChat:
    """A chat once everything had come to rest."""

    title: str
    row: Row
    archived: bool
    shares: Mapping[str, str]
    moves: tuple[HistoryMove, ...]


@dataclass(slots=True)
class Record:
    """A whole history. `contents` are the snapshots that were ever pushed."""

    workspace: str = ""
    calls: list[Call] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    contents: dict[str, Ring] = field(default_factory=dict)
    heads: dict[str, str | None] = field(default_factory=dict)
    chats: dict[str, FinalChat] = field(default_factory=dict)
    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    # Who may see everything here, who may see nothing.
    owner: str = ""
    strangers: frozenset[str] = frozenset()
    # Whether a server was killed; otherwise every answer must come.
    has_crashes: bool = False

    def of(self, *kinds: What) -> list[Call]:
        """Return the calls of some kinds."""
        return [call for call in self.calls if call.what in kinds]


__all__ = [
    "MOVES",
    "READS",
    "Call",
    "Ended",
    "FinalChat",
    "HistoryMove",
    "Pair",
    "Record",
    "Row",
    "Stored",
    "Told",
    "What",
]
