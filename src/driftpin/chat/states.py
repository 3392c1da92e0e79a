"""The states of a chat and the verbs that move it, as one table. What is not in it is refused.

Archived is not a state here: an archived chat keeps the state it had and takes no verb.
"""

from enum import StrEnum
from typing import Final

from driftpin.errors import Conflict


class ChatState(StrEnum):
    """What a chat is doing."""

    IDLE = "idle"
    RUNNING = "running"
    REQUIRES_ACTION = "requires_action"
    INTERRUPTING = "interrupting"
    ERROR = "error"


class ChatVerb(StrEnum):
    """What can happen to a chat.

    `start` begins a turn for a message; `queue` keeps a message until the turn ends; `require` and
    `submit` are a client's own tool asked for and answered; `interrupt` asks the turn to stop;
    `finish` and `fail` end it; `resume` goes on with a turn that failed.
    """

    START = "start"
    QUEUE = "queue"
    REQUIRE = "require"
    SUBMIT = "submit"
    INTERRUPT = "interrupt"
    FINISH = "finish"
    FAIL = "fail"
    RESUME = "resume"


TRANSITIONS: Final = {
    (ChatState.IDLE, ChatVerb.START): ChatState.RUNNING,
    (ChatState.RUNNING, ChatVerb.QUEUE): ChatState.RUNNING,
    (ChatState.RUNNING, ChatVerb.REQUIRE): ChatState.REQUIRES_ACTION,
    (ChatState.RUNNING, ChatVerb.INTERRUPT): ChatState.INTERRUPTING,
    (ChatState.RUNNING, ChatVerb.FINISH): ChatState.IDLE,
    (ChatState.RUNNING, ChatVerb.FAIL): ChatState.ERROR,
    (ChatState.REQUIRES_ACTION, ChatVerb.QUEUE): ChatState.REQUIRES_ACTION,
    (ChatState.REQUIRES_ACTION, ChatVerb.SUBMIT): ChatState.RUNNING,
    (ChatState.REQUIRES_ACTION, ChatVerb.INTERRUPT): ChatState.INTERRUPTING,
    (ChatState.REQUIRES_ACTION, ChatVerb.FAIL): ChatState.ERROR,
    (ChatState.INTERRUPTING, ChatVerb.QUEUE): ChatState.INTERRUPTING,
    (ChatState.INTERRUPTING, ChatVerb.FINISH): ChatState.IDLE,
    (ChatState.INTERRUPTING, ChatVerb.FAIL): ChatState.ERROR,
    (ChatState.ERROR, ChatVerb.START): ChatState.RUNNING,
    (ChatState.ERROR, ChatVerb.RESUME): ChatState.RUNNING,
}


def next_state(state: ChatState, verb: ChatVerb) -> ChatState:
    """Return the state after `verb`, or raise Conflict `bad_transition`."""
    following = TRANSITIONS.get((state, verb))
    if following is None:
        possible = [known.value for known in allowed_verbs(state)]
        raise Conflict(
            f"A chat that is {state.value!r} cannot {verb.value!r}; it can {', '.join(possible)}.",
            code="bad_transition",
            state=state.value,
            verb=verb.value,
        )
    return following


def allowed_verbs(state: ChatState) -> tuple[ChatVerb, ...]:
    """Return the verbs that the table has for `state`, in the order of their declaration."""
    return tuple(verb for verb in ChatVerb if (state, verb) in TRANSITIONS)


def transitions_as_markdown() -> str:
    """Return the table as ARCHITECTURE.md shows it: a row per state, a column per verb."""
    header = ["state", *(f"`{verb.value}`" for verb in ChatVerb)]
    rows = [header, ["---"] * len(header), *(_row(state) for state in ChatState)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(state: ChatState) -> list[str]:
    following = [TRANSITIONS.get((state, verb)) for verb in ChatVerb]
    return [f"`{state.value}`", *(f"`{to.value}`" if to else "refused" for to in following)]


__all__ = [
    "TRANSITIONS",
    "ChatState",
    "ChatVerb",
    "allowed_verbs",
    "next_state",
    "transitions_as_markdown",
]
