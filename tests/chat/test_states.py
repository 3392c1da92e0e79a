import itertools

import pytest

from driftpin.chat.states import (
    TRANSITIONS,
    ChatState,
    ChatVerb,
    allowed_verbs,
    next_state,
    transitions_as_markdown,
)
from driftpin.errors import Conflict

PAIRS = tuple(itertools.product(ChatState, ChatVerb))


@pytest.mark.parametrize(("state", "verb"), PAIRS)
def test_every_pair_moves_as_the_table_says_or_is_refused(state: ChatState, verb: ChatVerb) -> None:
    if (state, verb) in TRANSITIONS:
        assert next_state(state, verb) is TRANSITIONS[state, verb]
        return
    with pytest.raises(Conflict) as refused:
        next_state(state, verb)
    assert refused.value.code == "bad_transition"
    assert refused.value.fields == {"state": state.value, "verb": verb.value}


def test_every_state_is_reached_from_idle_and_leads_back_to_it() -> None:
    reached = _reachable({(before, after) for (before, _), after in TRANSITIONS.items()})
    led_back = _reachable({(after, before) for (before, _), after in TRANSITIONS.items()})
    assert reached == led_back == set(ChatState)


def _reachable(steps: set[tuple[ChatState, ChatState]]) -> set[ChatState]:
    seen = {ChatState.IDLE}
    while True:
        further = {after for before, after in steps if before in seen}
        if further <= seen:
            return seen
        seen |= further


def test_an_idle_chat_can_only_start() -> None:
    assert allowed_verbs(ChatState.IDLE) == (ChatVerb.START,)


def test_the_markdown_table_has_a_row_per_state_and_a_column_per_verb() -> None:
    lines = transitions_as_markdown().splitlines()
    assert len(lines) == 2 + len(ChatState)
    assert all(line.count("|") == len(ChatVerb) + 2 for line in lines)
    assert lines[2].startswith("| `idle` | `running` | refused |")
