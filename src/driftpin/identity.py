"""Names of things: ids, digests, and who acts.

Ids are UUIDv7 (RFC 9562 §5.7) in their canonical text form. Digests are `sha256:` and 64 lower-case
hexadecimal digits, always over the exact bytes that they name.
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, NewType, Protocol

UserId = NewType("UserId", str)
WorkspaceId = NewType("WorkspaceId", str)
AgentId = NewType("AgentId", str)
ChatId = NewType("ChatId", str)
TokenId = NewType("TokenId", str)
MessageId = NewType("MessageId", str)
Digest = NewType("Digest", str)

DIGEST_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")
TOKEN_SECRET_BYTES = 32
TOKEN_PATTERN = re.compile(r"(dp_[ua]_[A-Za-z0-9_-]{43})([0-9a-f]{8})")
ID_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def digest_of(content: bytes) -> Digest:
    """Return the digest of exactly these bytes."""
    return Digest("sha256:" + hashlib.sha256(content).hexdigest())


def is_digest(text: str) -> bool:
    """Whether `text` is written as a digest; says nothing about bytes that it names."""
    return DIGEST_PATTERN.fullmatch(text) is not None


def is_id(text: str) -> bool:
    """Whether `text` is an id in its canonical form (lower case, with hyphens)."""
    return ID_PATTERN.fullmatch(text) is not None


def token_text(kind: Literal["u", "a"], secret: bytes) -> str:
    """Return the token that stands for 256 random bits: `dp_u_…` for a user, `dp_a_…` an agent.

    It ends in a checksum, so that a mistyped one is refused without a look-up. It is kept nowhere:
    the database has `digest_of` its ASCII bytes.
    """
    assert len(secret) == TOKEN_SECRET_BYTES
    body = f"dp_{kind}_{base64.urlsafe_b64encode(secret).decode('ascii').rstrip('=')}"
    return body + _token_checksum(body)


def is_token(text: str) -> bool:
    """Whether `text` is written as a token with its checksum; says nothing about whose it is."""
    matched = TOKEN_PATTERN.fullmatch(text)
    return matched is not None and _token_checksum(matched[1]) == matched[2]


def _token_checksum(body: str) -> str:
    return hashlib.sha256(body.encode("ascii")).hexdigest()[:8]


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
    "TOKEN_PATTERN",
    "TOKEN_SECRET_BYTES",
    "NOBODY",
    "WORKER",
    "Actor",
    "ActorKind",
    "AgentId",
    "ChatId",
    "Digest",
    "IdSource",
    "MessageId",
    "RandomIds",
    "TokenId",
    "UserId",
    "WorkspaceId",
    "agent_actor",
    "digest_of",
    "is_digest",
    "is_id",
    "is_token",
    "token_text",
    "user_actor",
]
