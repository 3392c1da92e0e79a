"""Rounds on a real repository and a real server: what is found, what stays, what is refused."""

import pytest

from driftpin import review_limits
from driftpin.cli.exits import Finished
from driftpin.client.transport import CONNECTIONS_MAX
from driftpin.errors import Malformed, UsageError
from driftpin.review.finding import State
from driftpin.review.ledger import ReplyKind
from driftpin.review.rounds import replay
from driftpin.review.verdict import ReviewExit, Verdict
from review.changes import BAD, BASE, FIXED, MEAN, begin
from review.world import World, answer, claim, ids, ruling


async def test_the_same_head_without_a_reply_is_blocked_and_asks_nobody(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(world)
    world.script.say(1, "edge-cases", answer(BAD))
    await world.round()
    with pytest.raises(Finished) as blocked:
        await world.round()
    assert blocked.value.code == ReviewExit.BLOCKED
    world.repo.put("notes.txt", "unrelated\n")
    world.repo.commit()
    with pytest.raises(Finished):
        await world.round()
    assert "CRF-1 has neither a reply nor a change" in capsys.readouterr().out
    assert world.ledger().round == 1


async def test_a_fix_needs_a_quotation_and_a_settled_finding_cannot_come_back(world: World) -> None:
    begin(world)
    world.script.say(1, "edge-cases", answer(BAD))
    await world.round()
    world.repo.write(calc=FIXED)
    world.repo.commit("Fix it")
    world.reply("CRF-1", ReplyKind.FIXED)
    world.script.verify(2, "CRF-1", ruling("fixed", "calc.py", 6, "never written"))
    unproved = await world.round()
    assert unproved.report.summary.verdict is Verdict.INCOMPLETE
    assert unproved.report.findings[0].finding.state is State.CLAIMED
    world.script.verify(3, "CRF-1", ruling("fixed", "calc.py", 6, "if not values:"))
    again = dict(BAD, line=8)
    world.script.say(3, "edge-cases", answer(again))
    proved = await world.round()
    assert proved.report.summary.verdict is Verdict.APPROVE
    assert proved.report.findings[0].finding.state is State.VERIFIED
    world.repo.put("notes.txt", "more\n")
    world.repo.commit()
    world.script.say(4, "edge-cases", answer(again))
    after = await world.round()
    assert after.report.summary.verdict is Verdict.APPROVE
    assert [each.rule for each in after.report.decided.event.dropped] == ["settled"]


async def test_a_settled_finding_whose_fix_is_taken_back_is_reopened_under_its_id(
    world: World,
) -> None:
    begin(world)
    world.script.say(1, "edge-cases", answer(BAD))
    await world.round()
    world.repo.write(calc=FIXED)
    world.repo.commit()
    world.script.verify(2, "CRF-1", ruling("fixed", "calc.py", 6, "if not values:"))
    await world.round()
    world.repo.write(calc=BASE + MEAN)
    world.repo.commit()
    world.script.say(3, "edge-cases", answer(BAD))
    ran = await world.round()
    assert ids([each.finding for each in ran.report.live]) == ["CRF-1"]
    assert ran.report.live[0].finding.state is State.OPEN
    assert world.ledger().next_finding == 2


async def test_a_dead_reviewer_is_named_and_nothing_is_approved(world: World) -> None:
    begin(world)
    world.script.fail(1, "structure")
    world.script.say(1, "edge-cases", "All fine!", "Really, all fine.")
    ran = await world.round()
    assert ran.report.summary.failed == ("edge-cases", "structure")
    assert ran.report.summary.verdict is Verdict.INCOMPLETE
    assert "edge-cases failed" in ran.artefacts["review.md"]
    given = dict(ran.report.decided.coverage.files)["calc.py"]
    assert "edge-cases" not in given
    assert "contract-auditor" in given


async def test_a_claim_that_breaks_a_rule_goes_back_and_may_be_mended(world: World) -> None:
    begin(world)
    wrong = dict(BAD, quote="return 42")
    world.script.say(1, "edge-cases", answer(wrong), answer(BAD))
    world.script.say(1, "test-auditor", answer(wrong), answer(wrong))
    ran = await world.round()
    assert ids([each.finding for each in ran.report.live]) == ["CRF-1"]
    assert ran.report.decided.refused == (
        "test-auditor, claim 1: the quotation does not stand near 'calc.py:6'",
    )
    assert len(world.folder.round(1).exchanges()["panel.edge-cases"].said) == 2  # type: ignore[index] # a key as it is written


async def test_a_round_that_lost_its_server_goes_on_with_the_answers_that_it_has(
    world: World,
) -> None:
    begin(world)
    world.script.say(1, "edge-cases", answer(BAD))
    world.lost.add("panel.style")
    with pytest.raises(ExceptionGroup):
        await world.round()
    world.lost.clear()
    assert world.folder.events() == ()
    kept = set(world.folder.round(1).exchanges())
    assert "scout.scout" in kept
    ran = await world.round()
    assert ids([each.finding for each in ran.report.live]) == ["CRF-1"]


async def test_no_more_are_asked_at_once_than_a_client_has_connections_for(world: World) -> None:
    begin(world)
    world.repo.write(many="".join(f"def f{number}():\n    pass\n" for number in range(200)))
    world.repo.commit()
    claims = [
        claim("many.py", 1 + 16 * number, f"def f{8 * number}():", f"number {number} does nothing")
        for number in range(20)
    ]
    world.script.say(1, "edge-cases", answer(*claims))
    ran = await world.round()
    assert len(ran.report.live) == 20
    assert world.played is not None
    assert (
        1
        < world.played.most_at_once
        <= review_limits.REVIEW_ASKED_AT_ONCE_MAX
        < CONNECTIONS_MAX - 4
    )


async def test_a_recorded_round_is_played_again_byte_for_byte(world: World) -> None:
    begin(world)
    world.script.say(1, "edge-cases", answer(BAD))
    await world.round()
    world.reply("CRF-1", ReplyKind.CONTESTED, "It is never empty.")
    world.script.verify(2, "CRF-1", ruling("withdrawn", "calc.py", 6, "return sum(values)"))
    await world.round()
    for number in (1, 2):
        assert replay(world.folder, number).different == ()
    exchange = world.folder.round(1).path / "exchanges" / "panel.edge-cases.json"
    exchange.write_bytes(exchange.read_bytes().replace(b"divides by zero", b"divides by 0"))
    assert "review.md" in replay(world.folder, 1, with_requests=False).different
    with pytest.raises(Malformed):
        replay(world.folder, 1)
    exchange.unlink()
    with pytest.raises(Malformed):
        replay(world.folder, 1)


async def test_what_is_staged_and_what_is_in_the_work_tree_can_be_reviewed(world: World) -> None:
    begin(world)
    world.repo.write(calc=BASE + MEAN + "\n\nz = 3\n", three="q = 1\n", four="r = 1\n")
    world.repo.git("add", "calc.py")
    staged = world.repository.staged()
    worktree = world.repository.worktree()
    assert "three.py" not in world.repository.patch(staged.base, staged.head)
    ran = await world.round(worktree)
    assert [each.path for each in ran.report.inputs.changes] == ["calc.py", "four.py", "three.py"]
    patch = world.repo.path.parent / "change.patch"
    patch.write_text(world.repo.git("diff", "base", "HEAD") + "\n", encoding="utf-8")
    world.repo.git("stash", "-q", "-u")
    world.repo.git("checkout", "-q", "base")
    patched = world.repository.patched(patch)
    assert world.repository.patch(patched.base, patched.head).count("diff --git") == 3


async def test_a_change_of_nothing_and_a_range_of_nothing_are_refused(world: World) -> None:
    begin(world)
    with pytest.raises(UsageError) as refused:
        await world.round("HEAD..HEAD")
    assert refused.value.code == "empty_change"
    with pytest.raises(UsageError):
        await world.round("nowhere..HEAD")
