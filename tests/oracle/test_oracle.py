"""The timing of answers: what judges it judges right, and asks what it says."""

import random

from oracle.runs import accuracy_of, run


def test_times_that_differ_are_told_apart() -> None:
    dice = random.Random(1)
    slow = [1.2 + dice.random() / 10 for _ in range(400)]
    quick = [1.0 + dice.random() / 10 for _ in range(400)]
    assert accuracy_of(quick, slow) > 0.95
    assert accuracy_of(slow, quick) > 0.95


def test_times_of_one_kind_are_not() -> None:
    dice = random.Random(2)
    first, second = ([dice.gauss(1, 0.1) for _ in range(5_000)] for _ in range(2))
    assert 0.45 < accuracy_of(first, second) < 0.55


def test_t6_unknown_and_foreign_blobs_are_asked_for_alike() -> None:
    outcome = run(20, 1)
    assert outcome.broken == []
    assert outcome.seen["asked_for_unknown"] == outcome.seen["asked_for_foreign"] == 20
