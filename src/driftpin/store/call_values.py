"""What the store gives back of links and of calls to agents; the rules are those of `values`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from driftpin.identity import AgentId, CallId, Digest, LinkId
from driftpin.store.values import JsonObject


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


__all__ = ["CallRow", "CallState", "LinkStanding"]
