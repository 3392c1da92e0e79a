"""X1 to X4: a server that is killed at any named place loses nothing, shows no halves."""

import asyncio

import pytest

from driftpin.failpoints import Failpoint
from faults.failpoint_kills import CASES, kill_at_each, kill_in_migrations
from outcome import Outcome

SEED = 20260124
PARTS = 5


def held(outcome: Outcome) -> None:
    assert outcome.broken == []


@pytest.mark.parametrize("part", range(PARTS))
def test_x1_x2_x3_x4_a_kill_at_each_failpoint_keeps_what_was_acknowledged(
    empty_url: str, part: int
) -> None:
    failpoints = list(CASES)[part::PARTS]
    outcome = asyncio.run(kill_at_each(empty_url, failpoints, SEED + part))
    held(outcome)
    assert outcome.seen["kills"] == len(failpoints)
    # What had been started is told as unknown; each such place is in one of the parts.
    has_started = {Failpoint.TOOL_SENT, Failpoint.TOOL_RESULT_IN} & set(failpoints)
    assert outcome.seen["tool calls unknown"] == len(has_started)


def test_x5_a_kill_at_each_migration_is_resumed(empty_url: str) -> None:
    held(asyncio.run(kill_in_migrations(empty_url, SEED)))


def test_every_failpoint_of_the_server_is_killed_at() -> None:
    of_the_server = {point for point in Failpoint if not point.startswith("agent.")}
    assert {*CASES, Failpoint.MIGRATE_STEP} == of_the_server
