"""What was answered is not asked for again, unless something that it rests on is another."""

from dataclasses import replace

import pytest

from driftpin.errors import Rejected
from driftpin.review.ledger import ReplyKind
from driftpin.review.rounds import replay
from driftpin.review.verdict import Verdict
from driftpin.wire.reviews import read_review
from review.changes import BAD, begin
from review.world import World, answer, ids, ruling


def asked_anew(world: World, number: int) -> set[str]:
    kept = world.folder.round(number).exchanges()
    return {key for key, exchange in kept.items() if not exchange.of_round}


async def test_a_round_again_asks_only_those_who_failed_and_pays_only_for_them(
    world: World,
) -> None:
    begin(world)
    world.script.say(1, "edge-cases", answer(BAD))
    world.script.fail(1, "structure")
    first = await world.round()
    assert first.report.summary.verdict is Verdict.INCOMPLETE
    # Would they be asked again, edge-cases would have nothing to say.
    second = await world.round()
    assert asked_anew(world, 2) == {"panel.structure"}
    assert second.report.summary.verdict is Verdict.COMMENT
    assert ids([each.finding for each in second.report.live]) == ["CRF-1"]
    kept = world.folder.round(2).exchanges().values()
    assert second.report.summary.tokens == sum(each.tokens for each in kept if not each.of_round)
    assert 0 < second.report.summary.tokens < first.report.summary.tokens / 4
    assert "edge-cases: round 1" in second.artefacts["review.md"]
    document = read_review(second.artefacts["review.json"].encode())
    assert "edge-cases: round 1" in document.panel.reused
    assert replay(world.folder, 2).different == ()
    # And once more through a round that had the answer from another one.
    world.reply("CRF-1", ReplyKind.CONTESTED, "It is never empty.")
    world.script.verify(3, "CRF-1", ruling("open"))
    third = await world.round()
    assert asked_anew(world, 3) == {"verify.verifier.CRF-1"}
    assert third.report.decided.reused[0].endswith("round 1")
    assert replay(world.folder, 3).different == ()


async def test_an_answer_of_another_head_or_another_context_is_not_used(world: World) -> None:
    begin(world)
    world.script.fail(1, "structure")
    await world.round()
    world.repo.write(one="x = 3\n")
    world.repo.commit("another head")
    await world.round()
    assert "panel.edge-cases" in asked_anew(world, 2)
    assert all(each.of_round == 0 for each in world.folder.round(2).exchanges().values())


async def test_an_estimate_counts_only_who_is_still_to_be_asked(world: World) -> None:
    begin(world)
    world.script.fail(1, "structure")
    await world.round()
    with pytest.raises(Rejected) as refused:
        await world.round(limits=["round-tokens=100"])
    assert "its beginning 0" not in refused.value.message
    # A tenth of what the first round needed is enough.
    ran = await world.round(limits=["round-tokens=4500"])
    assert ran.report.decided.gaps.texts == ()
    assert ran.report.summary.verdict is Verdict.APPROVE


@pytest.mark.parametrize("is_recorded", [False, True])
async def test_another_model_is_asked_itself(world: World, is_recorded: bool) -> None:
    begin(world)
    if is_recorded:
        world.script.fail(1, "structure")
        await world.round()
    else:
        world.lost.add("panel.style")
        with pytest.raises(ExceptionGroup):
            await world.round()
        world.lost.clear()
    world.model = "other"
    ran = await world.round()
    number = ran.report.summary.number
    kept = world.folder.round(number).exchanges()
    asked = {each.model for key, each in kept.items() if not key.startswith("end.")}
    assert asked == {"other"}
    assert not ran.report.decided.reused


async def test_what_another_context_was_pinned_for_is_asked_again(world: World) -> None:
    begin(world)
    world.script.fail(1, "structure")
    await world.round()
    place = world.folder.round(1)
    inputs = place.read_inputs()
    assert inputs is not None
    place.begin(replace(inputs, snapshot=type(inputs.snapshot)("sha256:" + "1" * 64)))
    await world.round()
    assert asked_anew(world, 2) > {"scout.scout"}
