"""What a reviewer says is read by code: what breaks a rule is told and never gets through."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftpin.errors import Malformed
from driftpin.review.anchors import source_text
from driftpin.review.claims import Trees, read_answer
from driftpin.review.finding import Place, Severity
from driftpin.review.verification import Result, read_ruling
from review.world import answer, claim, ruling

TEXT = "".join(f"line {number}\n" for number in range(1, 41))
TREES = Trees({"old.py": source_text("gone\n")}, {"a.py": source_text(TEXT)})
GOOD = claim("a.py", 5, "line 5", "the fifth is wrong")


def errors(**changed: Any) -> list[str]:
    read = read_answer(answer({**GOOD, **changed}), "style", TREES)
    return [bad.error for bad in read.bad]


def test_an_answer_is_found_among_other_words_and_other_json() -> None:
    text = 'See {"not": "it"} and {broken. ' + answer(GOOD) + ' {"claims": 1}'
    (found,) = read_answer(text, "style", TREES).claims
    assert (found.role, found.severity, found.place) == ("style", Severity.P2, Place("a.py", 5, 5))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"path": "b.py"}, "there is no file 'b.py'"),
        ({"path": "../a.py"}, "there is no file '../a.py'"),
        ({"line": 41}, "has 40 lines"),
        ({"line": 0}, "has 40 lines"),
        ({"line": 6, "last_line": 99}, "has 40 lines"),
        ({"side": "old"}, "on the old side"),
        ({"quote": "line 30"}, "does not stand near"),
        ({"quote": ""}, "quote the code"),
        ({"trigger": ""}, "needs a trigger and an outcome"),
        ({"outcome": " "}, "needs a trigger and an outcome"),
        ({"evidence": ""}, "needs evidence"),
        ({"statement": ""}, "needs a statement"),
        ({"severity": "P9"}, "Invalid enum value 'P9'"),
        ({"line": "5"}, "Expected `int`"),
        ({"verdict": "APPROVE"}, "unknown field `verdict`"),
        ({"evidence": "x" * 5_000}, "longer than"),
    ],
)
def test_a_claim_that_breaks_a_rule_says_which(changed: dict[str, Any], told: str) -> None:
    (error,) = errors(**changed)
    assert told in error


def test_white_space_of_a_quotation_is_folded_and_a_window_allows_for_counting() -> None:
    assert errors(quote="line  12\n  line 13", line=5) == []
    assert errors(severity="Nit", trigger="", outcome="", evidence="") == []
    assert errors(severity="Note", quote="", trigger="", outcome="", evidence="") == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Looks good to me, approve!",
        '{"claims": []}',
        '{"claims": [], "complete": 1}',
        '{"claims": {}, "complete": {}}',
        '{"complete": {}, "claims": ' + "[" * 5_000,
    ],
)
def test_what_is_no_answer_is_never_read_as_clean(text: str) -> None:
    with pytest.raises(Malformed):
        read_answer(text, "style", TREES)


def test_claims_past_the_limit_are_refused_one_by_one() -> None:
    read = read_answer(answer(*[GOOD] * 103), "style", TREES)
    assert (len(read.claims), len(read.bad)) == (100, 3)


SCALARS = st.none() | st.integers() | st.text()


@given(SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=3))
def test_whatever_a_claim_holds_it_is_a_claim_or_an_error(value: Any) -> None:
    text = json.dumps({"complete": {}, "claims": [{**GOOD, "line": value, "quote": value}]})
    read = read_answer(text, "style", TREES)
    assert len(read.claims) + len(read.bad) == 1


def test_a_ruling_counts_its_quotation_only_where_it_stands() -> None:
    there = read_ruling(ruling("fixed", "a.py", 7, "line 7\nline 8"), TREES)
    assert there.result is Result.FIXED
    assert there.anchor is not None
    assert there.anchor.lines == ("line 7", "line 8")
    for wrong in (("a.py", 30, "line 7"), ("b.py", 7, "line 7"), ("a.py", 7, ""), ("a.py", 0, "x")):
        assert read_ruling(ruling("fixed", *wrong), TREES).anchor is None
    with pytest.raises(Malformed):
        read_ruling(ruling("perhaps"), TREES)
