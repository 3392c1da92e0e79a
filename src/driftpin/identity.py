"""Names of things: ids, digests, and who acts.

Ids are UUIDv7 (RFC 9562 §5.7) in their canonical text form. Digests are `sha256:` and 64 lower-case
hexadecimal digits, always over the exact bytes that they name.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType, Protocol

UserId = NewType("UserId", str)
WorkspaceId = NewType("WorkspaceId", str)
AgentId = NewType("AgentId", str)
ChatId = NewType("ChatId", str)
TokenId = NewType("TokenId", str)
MessageId = NewType("MessageId", str)
CallId = NewType("CallId", str)
ReviewId = NewType("ReviewId", str)
LinkId = NewType("LinkId", str)
Digest = NewType("Digest", str)

DIGEST_PREFIX = "sha256:"
DIGEST_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")
ID_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def digest_of(content: bytes) -> Digest:
    """Return the digest of exactly these bytes."""
    return Digest(DIGEST_PREFIX + hashlib.sha256(content).hexdigest())


def is_digest(text: str) -> bool:
    """Whether `text` is written as a digest; says nothing about bytes that it names."""
    return DIGEST_PATTERN.fullmatch(text) is not None


def is_id(text: str) -> bool:
    """Whether `text` is an id in its canonical form (lower case, with hyphens)."""
    return ID_PATTERN.fullmatch(text) is not None


class IdSource(Protocol):
    """A source of fresh ids; injected, so that a test can repeat them."""

    def fresh(self, now: datetime) -> str:
        """Return an id that was never returned before."""


class RandomIds:
    """UUIDv7: 48 bits of Unix milliseconds, then random bits."""

    def fresh(self, now: datetime) -> str:
        """Return a UUIDv7 for the instant `now`."""
        milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
        value = (milliseconds << 80) | secrets.randbits(80)
        value = (value & ~(0xF << 76)) | (0x7 << 76)
        value = (value & ~(0x3 << 62)) | (0x2 << 62)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class ActorKind(StrEnum):
    """The kinds of caller (spec/pinning.md §10)."""

    USER = "user"
    AGENT = "agent"
    WORKER = "worker"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who calls. Every store method and every operation takes one first and asks what it may do.

    A user has `user_id`; an agent has `agent_id` and `workspace_id`; a worker acts for the chat
    whose turn it holds and has neither; nobody has shown no credential.
    """

    kind: ActorKind
    user_id: UserId | None = None
    agent_id: AgentId | None = None
    workspace_id: WorkspaceId | None = None
    is_administrator: bool = False

    @property
    def name(self) -> str:
        """How history and audit rows name the caller: `user:<id>`, `agent:<id>`, `worker`."""
        subject = self.user_id or self.agent_id
        return f"{self.kind}:{subject}" if subject else str(self.kind)


NOBODY = Actor(ActorKind.NOBODY)
WORKER = Actor(ActorKind.WORKER)


def user_actor(user_id: UserId, *, is_administrator: bool = False) -> Actor:
    """Return the actor for a signed-in user."""
    return Actor(ActorKind.USER, user_id=user_id, is_administrator=is_administrator)


def agent_actor(agent_id: AgentId, workspace_id: WorkspaceId) -> Actor:
    """Return the actor for a workspace agent that showed its own token."""
    return Actor(ActorKind.AGENT, agent_id=agent_id, workspace_id=workspace_id)


__all__ = [
    "DIGEST_PATTERN",
    "ID_PATTERN",
    "NOBODY",
    "WORKER",
    "Actor",
    "ActorKind",
    "AgentId",
    "CallId",
    "ChatId",
    "Digest",
    "IdSource",
    "LinkId",
    "MessageId",
    "RandomIds",
    "ReviewId",
    "TokenId",
    "UserId",
    "WorkspaceId",
    "agent_actor",
    "digest_of",
    "is_digest",
    "is_id",
    "user_actor",
]
