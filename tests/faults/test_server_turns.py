"""Killed servers and a killed agent: each message is answered once, and no call is made twice."""

import asyncio

from faults.server_turns import kill_servers

SEED = 20261124
TURNS = 10


def test_x3_turns_survive_servers_and_an_agent_that_are_killed(empty_url: str) -> None:
    outcome = asyncio.run(kill_servers(empty_url, TURNS, SEED))
    assert outcome.broken == []
    assert outcome.seen["turns"] == TURNS
