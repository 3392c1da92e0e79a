"""Secrets stay where they are; and whoever looks for them would find them."""

from pathlib import Path

import pytest

from canaries.runs import HEARD, TRACED, scan
from canaries.secrets import COUNT, Writing, make_canaries, traces_of, written
from canaries.sinks import Sinks
from driftpin.store.database import EngineKind
from outcome import Outcome

SEED = 40


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", list(EngineKind), ids=str)
def test_no_planted_secret_is_found_outside_the_agent(kind: EngineKind) -> None:
    outcome = Outcome()
    sinks = scan(kind, SEED, outcome)
    assert outcome.broken == []
    assert outcome.seen["secrets"] == COUNT
    # The same search finds one that is planted on purpose, in every sink that was filled.
    canary = make_canaries(SEED)[0]
    for name in sinks.found:
        sinks.add(name, f"before {canary.planted} behind")
    found = sinks.hits({"planted": canary.traces})
    assert found == [f"planted in {name}" for name in sorted(sinks.found)]
    assert set(sinks.found) >= {*TRACED, *HEARD}


@pytest.mark.parametrize("writing", list(Writing), ids=str)
@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"], ids=len)
def test_a_secret_is_found_in_every_writing(writing: Writing, before: str) -> None:
    text = make_canaries(SEED)[0].text
    sinks = Sinks()
    sinks.add("a sink", written(f"{before}{text} and more", writing))
    assert sinks.hits({"it": traces_of(text)}) == ["it in a sink"]


def test_a_sink_without_a_secret_has_no_hits(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("nothing of note", encoding="utf-8")
    sinks = Sinks()
    sinks.add_tree("tree", tmp_path)
    assert sinks.hits({each.place: each.traces for each in make_canaries(SEED)}) == []


def test_forty_secrets_are_planted_each_elsewhere() -> None:
    made = make_canaries(SEED)
    assert len({canary.place for canary in made}) == COUNT
    assert len({canary.text for canary in made}) == COUNT
