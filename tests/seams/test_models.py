"""Random histories of everything that changes what chats run on, and proof that they can fail."""

import pytest

from seams import model_differential, model_postgresql, model_sqlite
from seams.planted_bugs import PLANTS, Plant, event_is_lost

SEED = 20_260_100
# Most planted bugs show within these; the long runs take up to 40.
STEPS = 24


@pytest.mark.parametrize("chunk", range(20))
def test_histories_hold_on_sqlite(chunk: int) -> None:
    assert model_sqlite.run(25, SEED + chunk, steps=STEPS).broken == []


@pytest.mark.parametrize("chunk", range(5))
def test_histories_hold_on_postgresql(chunk: int, postgres_url: str) -> None:
    assert model_postgresql.run(20, SEED + chunk, postgres_url, steps=STEPS).broken == []


@pytest.mark.parametrize("chunk", range(10))
def test_both_databases_give_the_same_answers(chunk: int, postgres_url: str) -> None:
    assert model_differential.run(10, SEED + chunk, postgres_url, steps=STEPS).broken == []


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: str(plant.__name__))
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    found = (
        told
        for seed in (SEED, SEED + 1, SEED + 2)
        for told in model_sqlite.run(60, seed, steps=STEPS, shrink=False).broken
    )
    assert "state = Bound()" in next(found, "nothing was found")


def test_a_failure_is_shown_in_its_shortest_form(monkeypatch: pytest.MonkeyPatch) -> None:
    event_is_lost(monkeypatch)
    told = model_sqlite.run(99, SEED, steps=2).broken[0]
    shown = told[told.index("state = Bound()") :].replace("state.check()", "")
    # Who shares, with whom and how, is the simplest that there is, and nothing comes behind it.
    assert (
        shown.count("('share', {'by': 'owner', 'chat': 0, 'whom': 'ann', 'access': 'read'})") == 1
    )
    assert shown.count("state.take_step") <= 2
