"""What the store gives back of links and of calls to agents; the rules are those of `values`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from driftpin import limits
from driftpin.chat.tools import Progress
from driftpin.context.tool_check import MCP_CALL
from driftpin.identity import AgentId, CallId, Digest, LinkId
from driftpin.store.values import JsonObject

# In these an MCP server is at work, for as long as it tells of progress.
LONG_METHODS: Final = frozenset({MCP_CALL})


def longest_s_of(method: str) -> float:
    """Return after how long a call that was started counts as lost, whoever holds the link."""
    if method in LONG_METHODS:
        return limits.AGENT_LONG_CALL_LONGEST_S
    return limits.AGENT_CALL_LONGEST_S


class CallState(StrEnum):
    """How far a call to an agent is. Only the holder of the agent's link starts one, and once."""

    NOT_STARTED = "not_started"
    STARTED = "started"
    DONE = "done"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call to an agent; a finished one has a result, or says why there is none."""

    id: CallId
    agent_id: AgentId
    method: str
    params: JsonObject
    state: CallState
    holder: str | None
    result: Any
    error_code: str | None
    error_text: str | None
    finished_at: datetime | None
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class LinkStanding:
    """What the rows say of a link that some process holds, by the token that opened it.

    `is_good` says that the token still signs in; `link_id` is the agent's newest link.
    """

    agent_id: AgentId
    secret_digest: Digest
    is_good: bool
    is_deleted: bool
    incarnation: int
    link_id: LinkId | None


__all__ = ["LONG_METHODS", "CallRow", "CallState", "LinkStanding", "longest_s_of"]
