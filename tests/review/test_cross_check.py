"""Claims put together: the same ones merge, different ones do not, and nothing gets lost."""

from driftpin.review.anchors import source_text
from driftpin.review.claims import Trees, read_answer
from driftpin.review.cross_check import Group, anchor_claim, cross_check
from driftpin.review.finding import Severity
from review.pure import book_of, decided, inputs_of, said
from review.world import Claim, answer, claim, ruling

TEXT = "def f(a):\n" + "".join(f"    step_{number}(a)\n" for number in range(2, 60))
TREES = Trees({}, {"a.py": source_text(TEXT)})


def put_together(**claims: list[Claim]) -> tuple[Group, ...]:
    found = [
        each
        for role, spoken in claims.items()
        for each in read_answer(answer(*spoken), role, TREES).claims
    ]
    assert len(found) == sum(map(len, claims.values()))
    return cross_check([anchor_claim(each, TREES) for each in found])


def at(line: int, statement: str, **more: object) -> Claim:
    return claim("a.py", line, f"step_{line}(a)", statement, **more)


def test_claims_near_each_other_in_the_same_words_are_one() -> None:
    (group,) = put_together(
        one=[at(10, "the step is never undone when it fails")],
        two=[at(13, "when it fails the step is not undone", severity="P3")],
        three=[at(10, "nothing undoes the step when it fails", severity="P1")],
    )
    assert [voice.role for voice in group.voices] == ["one", "three", "two"]
    assert group.severity is Severity.P2
    assert len(group.merged) == 2


def test_claims_far_apart_or_in_other_words_stay_two() -> None:
    same = "the step is never undone when it fails"
    assert len(put_together(one=[at(10, same)], two=[at(30, same)])) == 2
    other = at(10, "a password reaches this log", category="secrets")
    assert len(put_together(one=[at(10, same)], two=[other])) == 2


def test_the_sharpest_is_quoted_and_named() -> None:
    (group,) = put_together(
        one=[at(10, "the step is lost", evidence="so")],
        two=[at(10, "the step is lost", evidence="step_10 returns before it is written down")],
    )
    assert group.lead.claim.role == "two"


def test_a_nit_on_the_line_of_a_finding_joins_it_and_one_beside_it_does_not() -> None:
    nit = {"severity": "Nit", "category": "naming"}
    joined = put_together(one=[at(10, "the step is lost")], two=[at(10, "a vague name", **nit)])
    assert [group.severity for group in joined] == [Severity.P2]
    assert joined[0].merged[0].rule == "nit on the same line"
    beside = put_together(one=[at(10, "the step is lost")], two=[at(11, "a vague name", **nit)])
    assert len(beside) == 2


def test_opposite_advice_is_one_finding_that_states_the_conflict() -> None:
    (group,) = put_together(
        one=[at(10, "the lock is missing", fix="add a lock around the step")],
        two=[at(10, "too much is serialised here", fix="remove the lock around the step")],
    )
    assert group.conflict == (
        "one: add a lock around the step / two: remove the lock around the step"
    )


def test_a_refuted_p3_is_dropped_and_a_refuted_p1_needs_a_quotation() -> None:
    inputs = inputs_of({"a.py": TEXT})
    minor, major = at(10, "minor thing here", severity="P3"), at(40, "it is lost", severity="P1")
    panel = said("panel.edge-cases", answer(minor, major))
    first = decided(inputs, [panel])
    keys = {
        each.severity: each.fingerprint.removeprefix("sha256:")[:16]
        for each in first.event.findings
    }
    refuted = [
        said(f"refute.refuter.{keys[severity]}", ruling("refuted"))
        for severity in (Severity.P1, Severity.P3)
    ]
    second = decided(inputs, [panel, *refuted])
    assert [each.severity for each in second.event.findings] == [Severity.P1]
    assert second.event.findings[0].confidence < first.event.findings[0].confidence
    assert [each.rule for each in second.event.dropped] == ["refuted"]
    proved = said(
        f"refute.refuter.{keys[Severity.P1]}", ruling("refuted", "a.py", 41, "step_41(a)")
    )
    assert decided(inputs, [panel, refuted[1], proved]).event.findings == ()


def test_two_claims_about_lines_that_are_alike_are_refuted_each_for_itself() -> None:
    text = "def f(a):\n    step(a)\n" + "    other(a)\n" * 20 + "    step(a)\n"
    inputs = inputs_of({"a.py": text})
    claims = [claim("a.py", line, "step(a)", "it is lost here") for line in (2, 23)]
    panel = said("panel.edge-cases", answer(*claims))
    tasks = [task.key for task in book_of(inputs, [panel]).refute_tasks()]
    assert len(set(tasks)) == 2
    ran = decided(inputs, [panel, said(tasks[0], ruling("refuted"))])
    assert [each.place.first for each in ran.event.findings] == [23]


def test_late_nits_are_deferred_in_round_two_and_all_but_blocking_ones_later() -> None:
    nit = at(20, "a vague name", severity="Nit")
    minor, major = at(30, "it is slow", severity="P3"), at(40, "it is lost", severity="P1")
    for number, kept in ((2, ["P1", "P3"]), (3, ["P1"])):
        inputs = inputs_of({"a.py": TEXT, "b.py": "x = 1\n"}, last={"a.py": TEXT}, number=number)
        ran = decided(inputs, [said("panel.edge-cases", answer(nit, minor, major))])
        assert [each.severity.value for each in ran.event.findings] == kept
        assert ran.event.summary.deferred == 3 - len(kept)


def test_a_claim_about_the_lines_of_a_fix_names_what_caused_it() -> None:
    broken = "def f(a):\n    return a[0]\n"
    mended = "def f(a):\n    if not a:\n        return exit(1)\n    return a[0]\n"
    first = decided(
        inputs_of({"a.py": broken}),
        [said("panel.edge-cases", answer(claim("a.py", 2, "return a[0]", "empty breaks it")))],
    )
    second = decided(
        inputs_of({"a.py": mended}, last={"a.py": broken}, number=2),
        [
            said(
                "verify.verifier.CRF-1",
                ruling("fixed", "a.py", 2, "if not a:\n        return exit(1)"),
            )
        ],
        [first.event],
    )
    new = claim("a.py", 3, "return exit(1)", "the whole process ends", category="exit", fix="raise")
    third = decided(
        inputs_of({"a.py": mended, "b.py": "y = 2\n"}, last={"a.py": mended}, number=3),
        [said("panel.structure", answer(dict(new, severity="P1")))],
        [first.event, second.event],
    )
    (found,) = (each for each in third.event.findings if not each.is_settled)
    assert (found.id, found.caused_by) == ("CRF-2", "CRF-1")
