"""The messages of an agent's link: JSON-RPC 2.0 in msgpack, and the codes that close it."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from driftpin import limits
from driftpin.context.tool_check import MCP_CALL

# Which run of the agent opens the link; a link of an earlier run is refused.
INCARNATION_HEADER: Final = "X-Driftpin-Incarnation"

CLOSE_NOT_BINARY: Final = 1003
CLOSE_BAD_MESSAGE: Final = 1007
CLOSE_RESTART: Final = 1012
CLOSE_REVOKED: Final = 4403
CLOSE_FENCED: Final = 4409
CLOSE_GONE: Final = 4410


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How either end of a link notices that the other cannot be reached any more."""

    ping_interval_s: float = limits.LINK_PING_INTERVAL_S
    pong_timeout_s: float = limits.LINK_PONG_TIMEOUT_S


def call_timeout_s(method: str) -> float:
    """Return how long either end of a link waits for the answer to a call."""
    if method == MCP_CALL:
        return limits.LINK_LONG_CALL_TIMEOUT_S
    return limits.LINK_CALL_TIMEOUT_S


class LinkCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call from the server to the agent."""

    id: int
    method: str
    params: dict[str, Any]
    jsonrpc: Literal["2.0"] = "2.0"


class LinkNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the agent tells without being asked, and only of a call whose asker wants to hear it."""

    method: str
    params: dict[str, Any]
    jsonrpc: Literal["2.0"] = "2.0"


class LinkError(msgspec.Struct, frozen=True):
    """Why a call was refused; the stable code is in `data`."""

    code: int
    message: str
    data: dict[str, Any] | None = None


class LinkReply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to one call: a result, or an error."""

    jsonrpc: Literal["2.0"]
    id: int | None
    result: Any = None
    error: LinkError | None = None


__all__ = [
    "CLOSE_BAD_MESSAGE",
    "CLOSE_FENCED",
    "CLOSE_GONE",
    "CLOSE_NOT_BINARY",
    "CLOSE_RESTART",
    "CLOSE_REVOKED",
    "INCARNATION_HEADER",
    "LinkCall",
    "LinkError",
    "LinkNote",
    "LinkReply",
    "call_timeout_s",
]
