"""What policies will come to, as a person is told before they act."""

from dataclasses import dataclass
from enum import StrEnum

from driftpin.context.policies import Policies
from driftpin.context.severity import Severity
from driftpin.identity import ChatId


class NextTurn(StrEnum):
    """What the start of a chat's next turn does to its pin."""

    MOVES = "moves"
    STAYS = "stays"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """A dirty chat under its policies: what of its drift, by sources, its next turn takes."""

    chat_id: ChatId
    policies: Policies
    next_turn: NextTurn
    sources: tuple[str, ...]
    severity: Severity | None


__all__ = ["NextTurn", "PolicyOutcome"]
