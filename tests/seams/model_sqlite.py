"""Histories on SQLite."""

from collections.abc import Sequence

from outcome import Outcome
from seams.expected import Expected
from seams.model_places import expected_beginning, sqlite_places
from seams.model_run import run_histories
from seams.pin_machine import Deployment


def run(count: int, seed: int, *, steps: int | None = None, shrink: bool = True) -> Outcome:
    """Make `count` histories from `seed`."""
    with sqlite_places() as places:

        def begin() -> tuple[Expected, Sequence[Deployment]]:
            expected = expected_beginning()
            return expected, [places.deploy(expected)]

        return run_histories(count, seed, begin, steps=steps, shrink=shrink)


__all__ = ["run"]
