"""The lease on a turn: who holds it, and what becomes of one who no longer does."""

from dataclasses import dataclass

from driftpin.errors import Conflict
from driftpin.identity import ChatId, WorkspaceId
from driftpin.store.values import ChatRow


class LeaseLost(Conflict):
    """Another worker has taken this turn over; stop, and write nothing more of it."""

    default_code = "lease_lost"


@dataclass(frozen=True, slots=True)
class TurnLease:
    """The right to write one turn. `fence` rises at every claim, and every write checks it."""

    chat_id: ChatId
    workspace_id: WorkspaceId
    turn: int
    fence: int
    attempt: int


@dataclass(frozen=True, slots=True)
class ClaimedTurn:
    """A lease with the chat as it was when the turn was claimed.

    `holds_pin` says that the turn has asked a model before, and goes on with what it then ran on;
    `others_wait`, that more turns could be claimed at that moment.
    """

    lease: TurnLease
    chat: ChatRow
    holds_pin: bool = False
    others_wait: bool = False


__all__ = ["ClaimedTurn", "LeaseLost", "TurnLease"]
