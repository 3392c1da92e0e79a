from agent_faults import resolves


def test_a13_x46_nothing_outside_is_ever_seen_while_everything_is_swapped() -> None:
    outcome = resolves.run(10_000, seed=13)
    assert outcome.broken == []
