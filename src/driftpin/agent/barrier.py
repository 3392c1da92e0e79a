"""Waiting for a pass that began after the moment of asking."""

import asyncio
from typing import Generic, TypeVar

from driftpin import limits
from driftpin.errors import RateLimited

Outcome = TypeVar("Outcome")


class Barrier(Generic[Outcome]):
    """Callers wait for the outcome of a pass; a later pass answers for all earlier ones."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, asyncio.Future[Outcome]]] = []
        self._latest: tuple[int, Outcome | Exception] | None = None

    async def wait(self, pass_number: int) -> Outcome:
        """Return the outcome of the first settled pass with at least this number.

        Raise what that pass was refused with, or RateLimited when too many wait already.
        """
        if self._latest is not None and self._latest[0] >= pass_number:
            return _outcome_of(self._latest[1])
        if len(self._waiting) >= limits.RESYNC_WAITERS_MAX:
            raise RateLimited("too many callers wait for the workspace already")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        entry = (pass_number, future)
        self._waiting.append(entry)
        try:
            return await future
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)

    def settle(self, pass_number: int, outcome: Outcome) -> None:
        """Answer everyone who waits for this pass or an earlier one."""
        self._latest = (pass_number, outcome)
        for future in self._reached(pass_number):
            future.set_result(outcome)

    def fail(self, pass_number: int, error: Exception) -> None:
        """Refuse everyone who waits for this pass or an earlier one."""
        self._latest = (pass_number, error)
        for future in self._reached(pass_number):
            future.set_exception(error)

    def _reached(self, pass_number: int) -> list[asyncio.Future[Outcome]]:
        reached = [future for number, future in self._waiting if number <= pass_number]
        self._waiting = [entry for entry in self._waiting if entry[0] > pass_number]
        return [future for future in reached if not future.done()]


def _outcome_of(latest: Outcome | Exception) -> Outcome:
    if isinstance(latest, Exception):
        raise latest
    return latest


__all__ = ["Barrier"]
