"""What is handed in by calls: each claim is checked by the rules by which answers are read."""

import json
from typing import Any

import msgspec
import pytest

from driftpin import review_limits
from driftpin.review.anchors import source_text
from driftpin.review.claims import RawClaim, Trees, read_answer
from driftpin.review.submission import COMPLETE, SUBMIT_CLAIM, SUBMITTING_TOOLS, Submission
from driftpin.wire.turns import ClientToolShape
from review.world import claim

TREES = Trees({}, {"a.py": source_text("".join(f"line {number}\n" for number in range(1, 41)))})
GOOD = claim("a.py", 5, "line 5", "the fifth is wrong")


def wrong(document: str) -> str:
    return "; ".join(bad.error for bad in read_answer(document, "style", TREES).bad)


def begin() -> Submission:
    submission = Submission(wrong)
    submission.begin_request(is_refused=False)
    return submission


def submit(submission: Submission, arguments: object) -> str:
    """Submit one claim; what is refused begins with a mark."""
    read = submission.answer(SUBMIT_CLAIM, json.dumps(arguments))
    return f"! {read.result}" if read.is_error else read.result


def complete(submission: Submission, **said: Any) -> str:
    read = submission.answer(COMPLETE, json.dumps(said))
    return f"! {read.result}" if read.is_error else read.result


def test_the_document_is_that_of_an_answer_in_text() -> None:
    submission = begin()
    assert submit(submission, GOOD) == "Accepted as claim 1."
    assert submit(submission, {**GOOD, "line": 7}) == "Accepted as claim 2."
    assert submission.document == ""
    said = {
        "files_read": ["a.py"],
        "probes": ["read it"],
        "roles": ["security"],
        "good": ["Short."],
    }
    assert complete(submission, **said) == "Completed with 2 claims. End with a word."
    beside = {name: said.pop(name) for name in ("roles", "good")}
    text = json.dumps({"claims": [GOOD, {**GOOD, "line": 7}], "complete": said, **beside})
    assert read_answer(submission.document, "style", TREES) == read_answer(text, "style", TREES)
    assert json.loads(submission.document)["complete"] == said


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"path": "b.py"}, "there is no file 'b.py'"),
        ({"line": 41}, "has 40 lines"),
        ({"quote": "line 30"}, "does not stand near"),
        ({"trigger": ""}, "needs a trigger and an outcome"),
        ({"severity": "P9"}, "Invalid enum value 'P9'"),
        ({"line": "5"}, "Expected `int`, got `str` - at `$.line`"),
        ({"line": 10**5_000}, "out of range"),
        ({"line": 10**30}, "has 40 lines"),
        ({"verdict": "APPROVE"}, "unknown field `verdict`"),
        ({"evidence": "x" * 5_000}, "longer than"),
        ({"evidence": "x" * 100_000}, "longer than 65536 bytes"),
        ({"statement": [[]]}, "Expected `str`"),
    ],
)
def test_a_claim_that_breaks_a_rule_is_refused_with_what_to_mend(
    changed: dict[str, Any], told: str
) -> None:
    submission = begin()
    arguments = {**GOOD, **changed}
    if changed.get("line") == 10**5_000:
        text = json.dumps(GOOD).replace('"line": 5', '"line": 1' + "0" * 5_000)
        refused = submission.answer(SUBMIT_CLAIM, text)
        assert refused.is_error
        assert told in refused.result
    else:
        assert submit(submission, arguments).startswith("! ")
        assert told in submit(submission, arguments)
    assert submit(submission, GOOD) == "Accepted as claim 1."


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '"x"', "[" * 5_000, '{"claim": 1}', "\0"])
def test_arguments_of_any_kind_are_refused_and_never_completed_with(text: str) -> None:
    submission = begin()
    for tool in (SUBMIT_CLAIM, COMPLETE):
        assert submission.answer(tool, text).is_error
    assert submission.document == ""


def test_nobody_completes_beside_a_claim_whose_refusal_was_not_read() -> None:
    submission = begin()
    submit(submission, {**GOOD, "line": 99})
    assert complete(submission).startswith("! A claim of the same request was refused.")
    submission.begin_request(is_refused=True)
    assert complete(submission).startswith("! ")
    submission.begin_request(is_refused=False)
    assert complete(submission) == "Completed with 0 claims. End with a word."


def test_nothing_is_taken_behind_the_completion() -> None:
    submission = begin()
    complete(submission)
    whole = submission.document
    assert submit(submission, GOOD).startswith("! You have completed")
    assert complete(submission, probes=["more"]).startswith("! You have completed")
    assert submission.document == whole


def test_the_same_claim_again_is_the_same_claim() -> None:
    submission = begin()
    assert submit(submission, GOOD) == "Accepted as claim 1."
    assert submit(submission, GOOD) == "This is claim 1 already."
    complete(submission)
    assert len(json.loads(submission.document)["claims"]) == 1


def test_claims_without_end_are_refused_and_then_it_is_over() -> None:
    submission = begin()
    most = review_limits.REVIEW_CLAIMS_PER_REVIEWER_MAX
    told = [submit(submission, {**GOOD, "fix": f"fix {number}"}) for number in range(10_000)]
    assert [text.startswith("! ") for text in told] == [False] * most + [True] * (10_000 - most)
    assert "more than one reviewer may claim" in told[-1]
    assert submission.is_over


def test_the_texts_of_one_reviewer_have_room_in_an_answer() -> None:
    submission = begin()
    long = dict.fromkeys(("evidence", "trigger", "outcome", "fix", "proof"), "x" * 3900)
    told = [submit(submission, {**GOOD, **long, "category": str(n)}) for n in range(100)]
    assert any("more than one reviewer may claim" in text for text in told)
    submission.begin_request(is_refused=False)
    assert not complete(submission, probes=["x" * 60_000]).startswith("! ")
    assert len(submission.document.encode()) <= review_limits.REVIEW_ANSWER_BYTES_MAX


def test_the_schema_has_the_fields_of_a_claim_and_stands_for_itself() -> None:
    tools = {tool.name: tool for tool in SUBMITTING_TOOLS}
    schema = parameters(tools[SUBMIT_CLAIM])
    assert set(schema["properties"]) == {each.name for each in msgspec.structs.fields(RawClaim)}
    assert schema["required"] == ["severity", "category", "statement"]
    assert sorted(schema["properties"]["side"]["enum"]) == ["new", "old"]
    assert all(each["description"] for each in schema["properties"].values())
    for tool in SUBMITTING_TOOLS:
        assert "$ref" not in json.dumps(parameters(tool))


def parameters(tool: ClientToolShape) -> dict[str, Any]:
    shown: dict[str, Any] = tool.model_dump(mode="json")["parameters"]
    return shown
