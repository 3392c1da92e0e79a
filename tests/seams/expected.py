"""What a deployment should hold: the rules of pins in plain Python, with no store behind them.

The verbs stand in `expected_pushes`, `expected_pins` and `expected_chats`. Agents and chats are
named by their place in the lists, people by their names.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from driftpin.identity import Digest
from pushing import snapshot_with

Texts = dict[str, str]
Answer = object

ADMINISTRATOR: Final = "administrator"
OWNER: Final = "owner"
# Callers that are no users, with what they are told wherever a user is wanted.
NO_USERS: Final = {"agent": "wrong_token_type", "nobody": "unauthenticated"}
RANK: Final = {"read": 0, "update": 1, "owner": 2}
HIDDEN: Final = "\u200b"


class Refused(Exception):
    """A verb that should be refused with this code, and change nothing."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Weight(StrEnum):
    """How much a difference should matter."""

    COSMETIC = "cosmetic"
    BEHAVIOURAL = "behavioural"
    RISKY = "risky"


@dataclass(slots=True)
class Moved:
    """One move of a pin; its references go with its retention."""

    verb: str
    before: Digest | None
    to: Digest | None
    at: datetime
    is_kept: bool = True


@dataclass(slots=True)
class Turned:
    """One turn that ended, on what it ran."""

    snapshot: Digest | None
    at: datetime
    is_kept: bool = True


@dataclass(slots=True)
class Receipt:
    """One entry of the chain."""

    snapshot: Digest | None
    at: datetime
    is_kept: bool = True


@dataclass(slots=True)
class AcceptedHead:
    """A push that was acknowledged with a new head."""

    incarnation: int
    seq: int
    digest: Digest
    at: datetime
    is_kept: bool = True


@dataclass(slots=True)
class ExpectedAgent:
    """An agent with what fences its pushes."""

    incarnation: int = 0
    runs: dict[str, int] = field(default_factory=dict)
    head: Digest | None = None
    head_incarnation: int = 0
    head_seq: int = 0
    heads: list[AcceptedHead] = field(default_factory=list)
    deleted_at: datetime | None = None

    @property
    def accepted_seq(self) -> int:
        """The newest number of the present run."""
        return self.head_seq if self.head_incarnation == self.incarnation else 0

    @property
    def is_alive(self) -> bool:
        """Whether it was not deleted."""
        return self.deleted_at is None


@dataclass(slots=True)
class ExpectedChat:
    """A chat with its pin."""

    owner: str
    parent: int | None = None
    born_with: tuple[str, ...] | None = None
    agent: int | None = None
    pin: Digest | None = None
    pinned_at: datetime | None = None
    revision: int = 0
    policy: str | None = None
    is_archived: bool = False
    is_deleted: bool = False
    shares: dict[str, str] = field(default_factory=dict)
    # By file: the text of the head that is held off, None for its absence.
    holds: dict[str, str | None] = field(default_factory=dict)
    history: list[Moved] = field(default_factory=list)
    turns: list[Turned] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)


@dataclass(slots=True)
class Expected:
    """The whole deployment; `events` are those of the step that is being made."""

    now: datetime
    agents: list[ExpectedAgent] = field(default_factory=list)
    chats: list[ExpectedChat] = field(default_factory=list)
    current: int | None = None
    policy: str = "pin"
    snapshots: dict[Digest, datetime] = field(default_factory=dict)
    contents: dict[Digest, Texts] = field(default_factory=dict)
    events: list[tuple[str, int | None]] = field(default_factory=list)

    def name(self, texts: Texts) -> Digest:
        """Return the digest of a snapshot of these texts."""
        digest = snapshot_with(**texts)[0].digest
        self.contents[digest] = texts
        return digest

    def keep(self, digest: Digest) -> None:
        """Store a snapshot, if it is not there."""
        self.snapshots.setdefault(digest, self.now)

    def tell(self, kind: str, chat: int | None = None) -> None:
        """Record an event."""
        self.events.append((kind, chat))

    def access(self, by: str, index: int) -> str | None:
        """Return what somebody has on a chat."""
        chat = self.chats[index]
        if chat.is_deleted or by in NO_USERS:
            return None
        if by in (ADMINISTRATOR, chat.owner):
            return "owner"
        return chat.shares.get(by)

    def require(self, by: str, index: int, needed: str) -> ExpectedChat:
        """Return a chat on which somebody has this access, or refuse."""
        require_user(by)
        has = self.access(by, index)
        if has is None:
            raise Refused("not_found")
        if RANK[has] < RANK[needed]:
            raise Refused("forbidden")
        return self.chats[index]

    def require_workspace(self, by: str) -> None:
        """Refuse whoever may not see the workspace."""
        require_user(by)
        if by not in (OWNER, ADMINISTRATOR):
            raise Refused("not_found")

    def head_of(self, chat: ExpectedChat) -> Digest | None:
        """Return the head of the living agent that a chat is bound to."""
        if chat.agent is None or not self.agents[chat.agent].is_alive:
            return None
        return self.agents[chat.agent].head

    def differing(self, pin: Digest, head: Digest) -> set[str]:
        """Return what differs between two snapshots."""
        old, new = self.contents[pin], self.contents[head]
        return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}

    def in_force(self, chat: ExpectedChat, head: Digest) -> dict[str, str | None]:
        """Return the holds that keep something of this head out."""
        assert chat.pin is not None
        texts, differing = self.contents[head], self.differing(chat.pin, head)
        return {
            name: text
            for name, text in chat.holds.items()
            if name in differing and text == texts.get(name)
        }

    def unheld(self, chat: ExpectedChat, head: Digest) -> set[str]:
        """Return what differs of a head and is not held."""
        assert chat.pin is not None
        return self.differing(chat.pin, head) - self.in_force(chat, head).keys()

    def blend(self, pin: Digest, head: Digest, taken: set[str]) -> Digest:
        """Return the snapshot that has what is taken from the head, and else what the pin has."""
        old, new = self.contents[pin], self.contents[head]
        kept = {name: text for name, text in old.items() if name not in taken}
        return self.name({**kept, **{name: new[name] for name in taken & new.keys()}})

    def is_dirty(self, chat: ExpectedChat) -> bool:
        """Whether pin and head differ by more than what is held, told from their texts."""
        head = self.head_of(chat)
        return chat.pin is not None and head is not None and bool(self.unheld(chat, head))

    def dirty_since(self, chat: ExpectedChat) -> datetime | None:
        """Return since when the present run of other heads lasts, not before the pin.

        Of a chat that holds something, heads whose snapshots are gone cannot be compared.
        """
        if not self.is_dirty(chat) or chat.agent is None or chat.pinned_at is None:
            return None
        run: list[AcceptedHead] = []
        for head in self.agents[chat.agent].heads:
            is_gone = bool(chat.holds) and not head.is_kept
            run = [] if is_gone or not self.unheld(chat, head.digest) else [*run, head]
        return max(run[0].at, chat.pinned_at)

    def weigh(self, chat: ExpectedChat, head: Digest) -> Weight | None:
        """Return the worst of what differs and is not held; None if nothing is left."""
        return self._worst_of(self.unheld(chat, head), chat, head)

    def weigh_with_held(self, chat: ExpectedChat, head: Digest) -> Weight | None:
        """Return the worst of everything that differs, which is what a refresh would take."""
        assert chat.pin is not None
        return self._worst_of(self.differing(chat.pin, head), chat, head)

    def _worst_of(self, names: Iterable[str], chat: ExpectedChat, head: Digest) -> Weight | None:
        assert chat.pin is not None
        old, new = self.contents[chat.pin], self.contents[head]
        weights = [_weigh(old.get(name), new.get(name)) for name in names]
        return max(weights, key=list(Weight).index, default=None)

    def move(self, index: int, to: Digest | None, verb: str, agent: int | None) -> None:
        """Move a pin with its row of history."""
        chat = self.chats[index]
        chat.history.append(Moved(verb, chat.pin, to, self.now))
        chat.pin, chat.agent = to, agent
        chat.revision += 1
        chat.pinned_at = None if to is None else self.now

    def stands(self, index: int, *, moved: bool) -> Answer:
        """Return where a pin stands, as a verb answers."""
        chat = self.chats[index]
        return (chat.revision, moved, chat.pin)

    def living(self) -> Iterable[tuple[int, ExpectedChat]]:
        """Return the chats that were not deleted, with their places."""
        return ((index, chat) for index, chat in enumerate(self.chats) if not chat.is_deleted)

    def named(self) -> set[Digest]:
        """Return every snapshot that anything names."""
        found = {agent.head for agent in self.agents}
        found |= {head.digest for agent in self.agents for head in agent.heads if head.is_kept}
        for _, chat in self.living():
            found.add(chat.pin)
            found |= {moved.before for moved in chat.history if moved.is_kept}
            found |= {moved.to for moved in chat.history if moved.is_kept}
            found |= {row.snapshot for row in chat.turns if row.is_kept}
            found |= {row.snapshot for row in chat.receipts if row.is_kept}
        return {digest for digest in found if digest is not None}

    def readable_by(self, by: str) -> set[Digest]:
        """Return the stored snapshots that somebody may read."""
        if by in (OWNER, ADMINISTRATOR):
            return set(self.snapshots)
        found: set[Digest | None] = set()
        for index, chat in self.living():
            if self.access(by, index) is not None:
                found |= {chat.pin, self.head_of(chat)}
                found |= {moved.before for moved in chat.history if moved.is_kept}
                found |= {moved.to for moved in chat.history if moved.is_kept}
                found |= {row.snapshot for row in chat.receipts if row.is_kept}
        return {digest for digest in found if digest is not None}


def require_user(by: str) -> None:
    """Refuse callers that are no users."""
    if by in NO_USERS:
        raise Refused(NO_USERS[by])


def _weigh(old: str | None, new: str | None) -> Weight:
    if new is not None and new.count(HIDDEN) > (old or "").count(HIDDEN):
        return Weight.RISKY
    if old is not None and new is not None and old.split() == new.split():
        return Weight.COSMETIC
    return Weight.BEHAVIOURAL


__all__ = [
    "ADMINISTRATOR",
    "OWNER",
    "AcceptedHead",
    "Answer",
    "Expected",
    "ExpectedAgent",
    "ExpectedChat",
    "Moved",
    "Receipt",
    "Refused",
    "Texts",
    "Turned",
    "Weight",
    "require_user",
]
