"""How long and how often one operation is tried, before a caller is told that it cannot be had."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import DBAPIError

from driftpin.store.failures import is_retryable, was_cut_off

PAUSE_FIRST_S: Final = 0.005
PAUSE_LONGEST_S: Final = 0.25


class Patience:
    """The patience for one operation; `monotonic_s` says what time it is."""

    def __init__(self, monotonic_s: Callable[[], float], wait_s: float) -> None:
        """Have `wait_s` from now on."""
        self._monotonic_s = monotonic_s
        self._deadline_s = monotonic_s() + wait_s
        self._pause_longest_s = PAUSE_FIRST_S
        self._was_cut_off = False

    def is_over(self) -> bool:
        """Whether its time is up."""
        return self._monotonic_s() >= self._deadline_s

    def forgives(self, failure: DBAPIError) -> bool:
        """Whether the operation is to run again from its start after this failure.

        After a cut connection it runs once more and no oftener: it may be this very operation
        that ends connections.
        """
        is_first_cut = was_cut_off(failure) and not self._was_cut_off
        self._was_cut_off = self._was_cut_off or was_cut_off(failure)
        return not self.is_over() and (is_retryable(failure) or is_first_cut)

    async def pause(self) -> None:
        """Let those that were in the way come to their end; longer from time to time."""
        await asyncio.sleep(random.uniform(0, self._pause_longest_s))  # noqa: S311 not a secret
        self._pause_longest_s = min(PAUSE_LONGEST_S, 2 * self._pause_longest_s)


__all__ = ["Patience"]
