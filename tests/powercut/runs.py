"""Many power cuts, and the controls that show that a cut would be noticed."""

from outcome import Outcome
from powercut.cycles import cut_once
from seams.model_places import SqlitePlaces, sqlite_places

# How many cycles of each control there are for as many of the run.
CYCLES_PER_CONTROL = 10
CONTROLS = ("NORMAL", "OFF")


def run(count: int, seed: int) -> Outcome:
    """Cut the power `count` times; with less than full synchronisation something must be lost."""
    outcome = Outcome()
    with sqlite_places() as places:
        for number in range(count):
            _count(places, outcome, seed + number)
        for control in CONTROLS:
            cycles = max(CYCLES_PER_CONTROL, count // CYCLES_PER_CONTROL)
            outcome.seen[f"lost_with_{control}"] = lost_in_control(places, control, cycles, seed)
    outcome.require("acknowledged", "cut", *(f"lost_with_{control}" for control in CONTROLS))
    return outcome


def cut_many(count: int, seed: int) -> Outcome:
    """Cut the power `count` times as the product runs."""
    outcome = Outcome()
    with sqlite_places() as places:
        for number in range(count):
            _count(places, outcome, seed + number)
    outcome.require("acknowledged", "cut")
    return outcome


def _count(places: SqlitePlaces, outcome: Outcome, seed: int) -> None:
    cycle = places.runner.run(cut_once(places, seed))
    outcome.seen["cycles"] += 1
    outcome.seen["cut"] += cycle.was_cut
    outcome.seen["acknowledged"] += cycle.acknowledged
    for line in (*cycle.lost, *cycle.findings):
        outcome.broken.append(f"seed {seed}: {line}")


def lost_in_control(
    places: SqlitePlaces, synchronous: str, cycles: int, seed: int, *, enough: int | None = None
) -> int:
    """Return in how many cycles something acknowledged was lost; stop when that is enough."""
    lost = 0
    for number in range(cycles):
        cycle = places.runner.run(cut_once(places, seed + number, synchronous=synchronous))
        lost += bool(cycle.lost or cycle.findings)
        if lost == enough:
            break
    return lost


__all__ = ["CONTROLS", "cut_many", "lost_in_control", "run"]
