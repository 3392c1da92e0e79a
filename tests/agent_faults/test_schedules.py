import pytest

from agent_faults import schedules


@pytest.mark.parametrize("seed", range(4))
def test_x26_pushes_doubled_reordered_and_an_hour_late_never_move_the_head_back(seed: int) -> None:
    outcome = schedules.run(50, seed)
    assert outcome.broken == []
    assert outcome.seen["schedules"] == 50
