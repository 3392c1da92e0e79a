"""A killed worker's turns go on elsewhere: nothing is said twice, and nothing is done twice."""

import asyncio

from faults.turn_kills import kill_turns

SEED = 20261124
TURNS = 10


def test_x3_turns_survive_workers_that_are_killed_at_random_moments(empty_url: str) -> None:
    outcome = asyncio.run(kill_turns(empty_url, TURNS, SEED))
    assert outcome.broken == []
    assert outcome.seen["turns"] == TURNS
    assert outcome.seen["kills"] > 1
