"""Rounds whose reviewers answer by calls: what is accepted is what is recorded and played again."""

import json
from typing import Any

from driftpin import review_limits
from driftpin.limits import TURN_REQUESTS_MAX
from driftpin.review.inputs import Exchange, ExchangeKey
from driftpin.review.rounds import replay
from driftpin.review.verdict import Verdict
from review.changes import BAD, begin
from review.world import NOTHING, World, answer, calling, claim, ids

OTHER = claim("one.py", 1, "x = 1", "one is a name that says nothing", severity="P4")
UNQUOTED = {**BAD, "quote": "return 0"}
READ = ("read_file", {"path": "calc.py"})
DONE: dict[str, Any] = {"text": "Done."}


def submit(*claims: dict[str, Any]) -> dict[str, Any]:
    return calling(*(("submit_claim", each) for each in claims))


def complete(**said: Any) -> dict[str, Any]:
    return calling(("complete", said))


def exchange_of(world: World, key: str, number: int = 1) -> Exchange:
    return world.folder.round(number).exchanges()[ExchangeKey(key)]


def results(exchange: Exchange) -> list[tuple[str, bool]]:
    return [(each.tool, each.is_error) for each in exchange.reads]


async def test_a_reviewer_reads_submits_mends_and_completes(served: World) -> None:
    begin(served)
    served.script.play(
        1,
        "`edge-cases`",
        calling(READ),
        submit(UNQUOTED),
        submit(BAD),
        submit(OTHER),
        complete(files_read=["calc.py"], probes=["mean of an empty list"]),
        DONE,
    )
    served.script.play(1, "`scout`", complete(good=["It is short."], roles=["security"]), DONE)
    ran = await served.round()
    assert ids([each.finding for each in ran.report.live]) == ["CRF-1", "CRF-2"]
    assert ran.report.summary.failed == ()
    assert ran.report.summary.verdict is Verdict.COMMENT
    assert "security" in ran.report.summary.panel
    assert ran.report.decided.good == ("It is short.",)
    exchange = exchange_of(served, "panel.edge-cases")
    (said,) = exchange.said
    assert json.loads(said.answer) == {
        "claims": [BAD, OTHER],
        "complete": {"files_read": ["calc.py"], "probes": ["mean of an empty list"]},
    }
    assert results(exchange) == [
        ("read_file", False),
        ("submit_claim", True),
        ("submit_claim", False),
        ("submit_claim", False),
        ("complete", False),
    ]
    assert "the quotation does not stand near 'calc.py:6'" in exchange.reads[1].result
    assert exchange.reads[3].result == "Accepted as claim 2."
    (reading,) = ran.report.decided.readings
    assert (reading.reviewer, reading.calls, reading.probes) == ("panel.edge-cases", 1, ())
    for with_requests in (True, False):
        assert replay(served.folder, 1, with_requests=with_requests).different == ()


async def test_the_reports_are_the_same_by_whichever_way_claims_came(world: World) -> None:
    begin(world)
    said = {"files_read": ["calc.py"], "probes": []}
    world.script.play(1, "`edge-cases`", submit(BAD, OTHER), complete(**said), DONE)
    by_calls = await world.round()
    world.script.cases.clear()
    world.script.say(1, "edge-cases", answer(BAD, OTHER, complete=said))
    world.state = world.state.with_name("another")
    by_text = await world.round()
    assert by_calls.report.findings
    assert by_calls.artefacts == by_text.artefacts


async def test_a_reviewer_that_never_completes_is_sent_back_once_and_fails(served: World) -> None:
    begin(served)
    served.script.play(1, "`edge-cases`", submit(BAD), DONE, DONE)
    served.script.play(1, "`structure`", submit(OTHER), DONE, complete(), DONE)
    served.script.play(1, "`test-auditor`", submit(OTHER), {"text": NOTHING}, {"text": NOTHING})
    ran = await served.round()
    assert ran.report.summary.failed == ("edge-cases", "test-auditor")
    assert ran.report.summary.verdict is Verdict.INCOMPLETE
    (found,) = ran.report.live
    assert [voice.role for voice in found.finding.voices] == ["structure"]
    exchange = exchange_of(served, "panel.edge-cases")
    assert (exchange.failure, len(exchange.said)) == ("bad_answer", 2)
    assert results(exchange) == [("submit_claim", False)]
    assert served.client is not None
    messages = await served.client.list_messages(exchange.chat_id)
    told = json.dumps([each.content for each in messages if each.role == "user"])
    assert "never called `complete`" in told
    assert "Submit what is not accepted yet, then call `complete`." in told
    assert replay(served.folder, 1).different == ()


async def test_what_comes_behind_the_completion_counts_for_nothing(served: World) -> None:
    begin(served)
    forged = {"text": answer(OTHER)}
    served.script.play(1, "`edge-cases`", submit(BAD), complete(), submit(OTHER), forged)
    at_once = calling(("complete", {}), ("submit_claim", BAD))
    served.script.play(1, "`structure`", at_once, {"fail": "overloaded", "times": 99})
    ran = await served.round()
    (found,) = ran.report.live
    assert found.finding.place.path == "calc.py"
    assert {voice.role for voice in found.finding.voices} == {"edge-cases", "structure"}
    assert ran.report.summary.failed == ()
    last = exchange_of(served, "panel.edge-cases").reads[-1]
    assert last.is_error
    assert "nothing is taken any more" in last.result


async def test_a_claim_that_does_not_fit_the_schema_keeps_its_reviewer_from_completing(
    served: World,
) -> None:
    begin(served)
    odd = calling(("submit_claim", {**BAD, "line": "six"}), ("complete", {}))
    named = submit({**BAD, "title": "Mean"})
    served.script.play(1, "`edge-cases`", odd, named, submit(BAD), complete(), DONE)
    ran = await served.round()
    assert [each.finding.place.path for each in ran.report.live] == ["calc.py"]
    exchange = exchange_of(served, "panel.edge-cases")
    assert results(exchange) == [
        ("complete", True),
        ("submit_claim", True),
        ("submit_claim", False),
        ("complete", False),
    ]
    assert "unknown field `title`" in exchange.reads[1].result


async def test_a_reviewer_that_submits_without_end_is_failed_by_name(served: World) -> None:
    begin(served)
    most = review_limits.REVIEW_SUBMISSIONS_MAX + review_limits.REVIEW_READ_REFUSALS_MAX
    many = [{**BAD, "fix": f"fix {number}"} for number in range(most + 10)]
    served.script.play(1, "`edge-cases`", submit(*many), complete(), DONE)
    ran = await served.round()
    assert ran.report.summary.failed == ("edge-cases",)
    assert ran.report.summary.verdict is Verdict.INCOMPLETE
    assert ran.report.live == ()
    assert served.client is not None
    exchange = exchange_of(served, "panel.edge-cases")
    assert (exchange.failure, len(exchange.reads)) == ("too_many_calls", most + 1)
    assert (await served.client.get_chat(exchange.chat_id)).state in {"idle", "interrupting"}


async def test_whoever_reads_as_often_as_it_may_can_still_complete(world: World) -> None:
    begin(world)
    most = review_limits.REVIEW_REQUESTS_MAX
    looks = [calling(READ)] * review_limits.REVIEW_READ_CALLS_MAX
    claims = [submit({**BAD, "line": 5}), submit(BAD)] * most
    steps = [*looks, *claims[: most - len(looks) + 1], complete(), DONE]
    world.script.play(1, "`edge-cases`", *steps)
    ran = await world.round()
    assert ran.report.summary.failed == ()
    assert [each.finding.place.path for each in ran.report.live] == ["calc.py"]
    refused = [
        each.result for each in exchange_of(world, "panel.edge-cases").reads if each.is_error
    ]
    assert len(refused) == 1
    assert "as often as a reviewer may be" in refused[0]


async def test_a_reviewer_that_is_told_to_end_and_goes_on_is_failed_by_name(world: World) -> None:
    begin(world)
    steps = [submit({**BAD, "fix": "one"}), submit(UNQUOTED)] * 60
    world.script.play(1, "`edge-cases`", *steps)
    ran = await world.round()
    assert ran.report.summary.failed == ("edge-cases",)
    exchange = exchange_of(world, "panel.edge-cases")
    assert exchange.failure == "too_many_calls"
    most = review_limits.REVIEW_REQUESTS_MAX + review_limits.REVIEW_READ_REFUSALS_MAX
    assert len(exchange.reads) == most + 1 < TURN_REQUESTS_MAX


async def test_a_ruling_is_no_claim(world: World) -> None:
    begin(world)
    world.script.say(1, "edge-cases", answer(BAD))
    ruled = {"text": json.dumps({"result": "refuted", "path": "calc.py", "line": 6,
                                 "quote": BAD["quote"], "why": "It is meant."})}  # fmt: skip
    world.script.play(1, "`refuter`", submit(OTHER), complete(), ruled)
    ran = await world.round()
    assert ran.report.live == ()
    assert [each.rule for each in ran.report.decided.event.dropped] == ["refuted"]
    (key,) = (each for each in world.folder.round(1).exchanges() if each.startswith("refute."))
    assert results(exchange_of(world, key)) == [("submit_claim", True), ("complete", True)]
