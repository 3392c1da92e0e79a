"""Simulated worlds (spec/faults.md, layer 1): X25 to X30, X33, X34 and X53 in one, by seed."""

import subprocess
import sys
from pathlib import Path

import pytest

from world.runs import histories, run

SEEDS = 500
CHUNK = 50
REPLAYED = range(9_000, 9_006)
TESTS = Path(__file__).parents[1]
TELL_DIGESTS = (
    "from world.runs import histories;"
    f"print([history.digest for history in histories({REPLAYED!r})])"
)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_promise_is_kept_whatever_the_network_and_the_clocks_do(first: int) -> None:
    assert run(CHUNK, first).broken == []


def test_a_seed_gives_the_same_history_again_in_any_process() -> None:
    told = [history.digest for history in histories(REPLAYED)]
    assert len(set(told)) == len(told)
    for hash_seed in ("1", "2"):
        again = subprocess.run(
            [sys.executable, "-c", TELL_DIGESTS],
            env={"PYTHONPATH": str(TESTS), "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert again.stdout.strip() == str(told)


def test_a_world_does_not_depend_on_those_before_it() -> None:
    after_others = list(histories(REPLAYED))[-1]
    (alone,) = histories(REPLAYED[-1:])
    assert alone.digest == after_others.digest
