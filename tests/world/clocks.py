"""Clocks that follow virtual time, each with a wall clock that may be years off."""

from datetime import datetime, timedelta

from driftpin.clock import Clock
from stepping import BEGINNING
from world.kernel import Kernel

JUMP_YEARS_MAX = 10


class SkewedClock:
    """One process's clock: seconds since its start never jump, the date does."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._skew = timedelta()

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self._kernel.now_s) + self._skew

    def monotonic_s(self) -> float:
        return self._kernel.now_s

    def jump(self) -> None:
        """Set the date to anything within ten years, mostly within seconds."""
        if self._kernel.chance(0.5):
            self._skew += timedelta(seconds=self._kernel.random.uniform(-90, 90))
        else:
            years = self._kernel.random.uniform(-JUMP_YEARS_MAX, JUMP_YEARS_MAX)
            self._skew = timedelta(days=365 * years)


class ReplaceableClock:
    """The clock of a database that is used by one world after the other."""

    def __init__(self) -> None:
        self.inner: Clock | None = None

    def now(self) -> datetime:
        assert self.inner is not None
        return self.inner.now()

    def monotonic_s(self) -> float:
        assert self.inner is not None
        return self.inner.monotonic_s()


__all__ = ["JUMP_YEARS_MAX", "ReplaceableClock", "SkewedClock"]
