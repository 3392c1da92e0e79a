"""Histories on PostgreSQL."""

from collections.abc import Sequence

from outcome import Outcome
from seams.expected import Expected
from seams.model_places import expected_beginning, postgres_places
from seams.model_run import run_histories
from seams.pin_machine import Deployment


def run(count: int, seed: int, url: str | None = None, *, steps: int | None = None) -> Outcome:
    """Make `count` histories from `seed`, on the server at `url` or on one of their own."""
    with postgres_places(url) as places:

        def begin() -> tuple[Expected, Sequence[Deployment]]:
            expected = expected_beginning()
            return expected, [places.deploy(expected)]

        return run_histories(count, seed, begin, steps=steps)


__all__ = ["run"]
