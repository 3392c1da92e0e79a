"""Decisions about MCP servers as the API tells and takes them."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from driftpin.wire.shape import ONE_LINE, DigestText, InstantText, ReplyShape, Shape

KeyedDigest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class DecisionRequest(Shape):
    """Allow or deny a server; `keyed_digest` is the one that was shown with it."""

    decision: Literal["allow", "deny"]
    keyed_digest: KeyedDigest | None = None
    allows_private: bool = False


class ServerShape(ReplyShape):
    """A server that the workspace lists, or that was decided about.

    `launch` is what the identity is the digest of, as it was written: nothing else is approved.
    `decision` is `pending` for a server that no decision covers: none was made, or its literal
    values are others now. `source` is null for one that is not listed any more.
    """

    source: str | None
    config_source: str | None
    identity: DigestText
    launch: dict[str, JsonValue] | None
    keyed_digest: str | None
    decision: Literal["pending", "allowed", "denied"]
    allows_private: bool
    state: str | None
    reason: str | None
    detail: str | None
    decided_by: str | None
    decided_at: Annotated[InstantText | None, Field()]


class AllowedServerShape(ReplyShape):
    """A server that an agent may run."""

    identity: DigestText
    keyed_digest: Annotated[str, ONE_LINE] | None
    allows_private: bool


class AllowedServersReply(ReplyShape):
    """All servers that the acting agent may run."""

    items: tuple[AllowedServerShape, ...]


__all__ = [
    "AllowedServerShape",
    "AllowedServersReply",
    "DecisionRequest",
    "KeyedDigest",
    "ServerShape",
]
