"""Ids, counts, states, panels, places and verdicts of the seed case come out of the code."""

from driftpin.review.rounds import Ran, replay
from driftpin.review.verdict import Verdict
from review.seed_case import SeedCase
from review.world import World
from sarif_schema import check_sarif


def states(ran: Ran) -> dict[str, str]:
    return {each.finding.id: each.finding.state.value for each in ran.report.findings}


def severities(ran: Ran) -> dict[str, str]:
    return {each.finding.id: each.finding.severity.value for each in ran.report.new}


def panel(ran: Ran) -> int:
    return len(ran.report.summary.panel)


def baselines(ran: Ran) -> list[str]:
    run = check_sarif(ran.artefacts["review.sarif"])
    return [each["baselineState"] for each in run["results"]]


async def test_four_rounds_on_one_change(world: World) -> None:
    case = SeedCase(world)
    case.base()
    first = await case.first()
    assert panel(first) == 14
    assert severities(first) == {
        "CRF-1": "Nit", "CRF-2": "P2", "CRF-3": "P3", "CRF-4": "Nit", "CRF-5": "Nit",
    }  # fmt: skip
    found = {str(each.finding.id): each.finding for each in first.report.findings}
    assert (found["CRF-2"].raised_by, found["CRF-2"].asked) == (12, 14)
    assert [voice.role for voice in found["CRF-1"].voices] == ["scout"]
    assert first.report.summary.verdict is Verdict.COMMENT

    second = await case.second()
    assert panel(second) == 8
    assert second.report.summary.verified == tuple(f"CRF-{number}" for number in range(1, 6))
    assert severities(second) == {"CRF-6": "P3", "CRF-7": "P4"}
    placed = {each.finding.id: each.placement.value for each in second.report.new}
    assert placed == {"CRF-6": "line", "CRF-7": "body"}
    assert second.report.summary.verdict is Verdict.COMMENT

    third = await case.third()
    assert panel(third) == 8
    assert third.report.new == ()
    assert states(third) == {f"CRF-{number}": "verified" for number in range(1, 8)}
    assert third.report.summary.verdict is Verdict.APPROVE

    fourth = await case.fourth()
    assert sum(each.size for each in fourth.report.inputs.delta_changes) == 17
    assert panel(fourth) == 6
    assert fourth.report.summary.verdict is Verdict.APPROVE
    assert [each.number for each in fourth.report.rounds] == [1, 2, 3, 4]
    for number in range(1, 5):
        played = replay(world.folder, number)
        assert played.different == ()
        check_sarif(played.artefacts["review.sarif"])
    assert baselines(first) == ["new"] * 5
    assert baselines(second) == ["absent"] * 5 + ["new"] * 2
    assert baselines(third) == ["absent"] * 2
    assert baselines(fourth) == []
