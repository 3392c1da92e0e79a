"""A server is killed under load, again and again, and loses nothing that it acknowledged."""

import asyncio

import pytest

from faults.kills import kill_under_load

SEED = 20260124
CYCLES = 5


@pytest.mark.parametrize("part", range(2))
def test_x1_a_server_killed_under_load_keeps_what_it_acknowledged(
    empty_url: str, part: int
) -> None:
    outcome = asyncio.run(kill_under_load(empty_url, CYCLES, SEED + part))
    assert outcome.broken == []
    assert outcome.seen["kills"] == CYCLES
    assert outcome.seen["calls cut"]
