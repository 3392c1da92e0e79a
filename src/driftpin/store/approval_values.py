"""What the store says of decisions about MCP servers."""

from dataclasses import dataclass
from datetime import datetime

from driftpin.identity import Digest


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's word on one identity of a server.

    `keyed_digest` is of the literal values that were there then, as the workspace's agent digests
    them; None where there were none. `allows_private` lets it be reached at a private address.
    """

    identity: Digest
    is_allowed: bool
    keyed_digest: str | None = None
    allows_private: bool = False


@dataclass(frozen=True, slots=True)
class DecidedServer:
    """A decision with who made it and when."""

    decision: Decision
    actor: str
    at: datetime


__all__ = ["DecidedServer", "Decision"]
