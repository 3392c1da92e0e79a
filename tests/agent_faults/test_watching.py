from agent_faults import watching


def test_x44_x46_the_head_is_the_truth_again_after_an_overflow_and_after_every_swap() -> None:
    outcome = watching.run(2, seed=44)
    assert outcome.broken == []
    assert outcome.seen["cycles"] == 2
