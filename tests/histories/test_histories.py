"""Concurrent clients on real servers (spec/faults.md, layer 4), judged by the checker."""

import pytest

from histories.runs import run

# Ten histories, in runs that take about as long as each other.
RUNS = (("3+", "2"), ("3", "1"), ("2+", "3"), ("1", "3+"), ("sqlite", "sqlite"))


# Real servers and their start; a busy machine takes several times as long as an idle one.
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kinds", RUNS, ids="-".join)
def test_every_promise_is_kept_to_clients_that_work_at_once(kinds: tuple[str, ...]) -> None:
    outcome = run(len(kinds), 3, kinds)
    assert outcome.broken == []
    assert outcome.seen["calls"] >= 200 * len(kinds)
