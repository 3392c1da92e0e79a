"""A process that is killed in any phase of a round: the next run ends it, with the same ids."""

import asyncio
import os
import signal

from driftpin.review.finding import State
from driftpin.review.ledger import RoundRecorded
from driftpin.review.verdict import Verdict
from review.changes import BAD, FIXED, begin
from review.world import World, answer, claim, ids, ruling

BESIDE = claim("calc.py", 1, "def add(a, b):", "nobody calls it", severity="P4", category="dead")
OTHER = claim("one.py", 1, "x = 1", "x says nothing")


def kill(world: World, phase: str) -> None:
    """Run a round in a process of its own, which is killed when it comes to a phase."""
    world.fatal = phase
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(world.round())
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    world.fatal = ""
    assert os.WIFSIGNALED(status), f"it ended before {phase}"
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_a_round_that_is_killed_in_every_phase_ends_as_if_it_had_not_been(world: World) -> None:
    begin(world)
    world.script.say(1, "scout", answer(OTHER))
    world.script.say(1, "edge-cases", answer(BAD, BESIDE))
    for phase in ("scout", "panel", "refute", "adjudicate", "end"):
        kill(world, phase)
        assert world.shelf.find(None).events() == ()
    first = asyncio.run(world.round())
    assert ids([each.finding for each in first.report.live]) == ["CRF-1", "CRF-2", "CRF-3"]
    assert first.report.summary.verdict is Verdict.COMMENT
    world.repo.write(calc=FIXED, one="x = 2\n")
    world.repo.commit("Fix")
    fixed = ("calc.py", 6, "if not values:"), ("one.py", 1, "x = 2")
    world.script.verify(2, "CRF-3", ruling("open"))
    by_path = {each.finding.place.path: each.finding.id for each in first.report.live[:2]}
    for path, line, quote in fixed:
        world.script.verify(2, by_path[path], ruling("fixed", path, line, quote))
    new = claim("one.py", 1, "x = 2", "two is no better", category="naming")
    world.script.say(2, "edge-cases", answer(new))
    for phase in ("verify", "panel", "end"):
        kill(world, phase)
        assert world.ledger().next_finding == 4
    second = asyncio.run(world.round())
    states = {each.finding.id: each.finding.state for each in second.report.findings}
    assert states == {
        "CRF-1": State.VERIFIED,
        "CRF-2": State.VERIFIED,
        "CRF-3": State.OPEN,
        "CRF-4": State.OPEN,
    }
    recorded = [each for each in world.folder.events() if isinstance(each, RoundRecorded)]
    assert [each.next_finding for each in recorded] == [4, 5]
