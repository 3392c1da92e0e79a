"""A real change of this repository, reviewed in two rounds and recorded, comes out the same.

The claims were written for it and played by the scripted model (`recorded/script.json`); what a
real model would say, and whether it would be right, no recording of this kind can show. With a key
in the environment `driftpin review RANGE --model provider:model --json` measures its tokens.
"""

import json
import shutil
from pathlib import Path

import pytest

from driftpin.review.folder import ReviewFolder
from driftpin.review.rounds import replay
from sarif_schema import check_sarif

RECORDED = Path(__file__).parent / "recorded"
FORMS = ("review.json", "review.md", "review.sarif", "review.html")


@pytest.fixture
def folder(tmp_path: Path) -> ReviewFolder:
    return ReviewFolder(Path(shutil.copytree(RECORDED, tmp_path / "recorded")))


@pytest.mark.parametrize("number", [1, 2])
def test_every_artefact_of_a_recorded_round_is_rebuilt_byte_for_byte(
    folder: ReviewFolder, number: int
) -> None:
    played = replay(folder, number, with_requests=False)
    assert played.different == ()
    for name in FORMS:
        written = (RECORDED / "rounds" / str(number) / name).read_bytes()
        assert played.artefacts[name].encode() == written
    check_sarif(played.artefacts["review.sarif"])
    events = [each for each in folder.events() if not hasattr(each, "kind")]
    assert played.decided.event == events[number - 1]


def test_the_recorded_review_came_to_what_its_claims_say(folder: ReviewFolder) -> None:
    states = {each.id: each.state.value for each in folder.state().findings.values()}
    assert states == {"CRF-1": "acknowledged", "CRF-2": "open", "CRF-3": "withdrawn"}
    assert [each.verdict.value for each in folder.state().rounds] == ["COMMENT", "COMMENT"]
    again = [each for each in folder.state().dropped if each.round == 2]
    assert [each.rule for each in again] == ["verified this round"]


def test_a_byte_that_was_changed_is_noticed(folder: ReviewFolder) -> None:
    place = folder.round(2).path / "exchanges" / "verify.verifier.CRF-2.json"
    exchange = json.loads(place.read_bytes())
    said = exchange["exchange"]["said"][0]
    said["answer"] = said["answer"].replace("still caught", "no longer caught")
    place.write_text(json.dumps(exchange), encoding="utf-8")
    assert set(replay(folder, 2, with_requests=False).different) == {
        *("review.json", "review.md", "review.html"),
    }
