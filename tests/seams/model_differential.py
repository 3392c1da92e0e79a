"""The same sequences on both databases, side by side: every reply, code and event is compared."""

from collections.abc import Sequence

from outcome import Outcome
from seams.expected import Expected
from seams.model_places import expected_beginning, postgres_places, sqlite_places
from seams.model_run import run_histories
from seams.pin_machine import Deployment


def run(count: int, seed: int, url: str | None = None, *, steps: int | None = None) -> Outcome:
    """Carry out `count` sequences from `seed`; `url` is a PostgreSQL, or they start their own."""
    with sqlite_places() as files, postgres_places(url) as server:

        def begin() -> tuple[Expected, Sequence[Deployment]]:
            expected = expected_beginning()
            return expected, [files.deploy(expected), server.deploy(expected)]

        return run_histories(count, seed, begin, steps=steps)


__all__ = ["run"]
