"""Where time comes from. Clocks decide display and expiry, never order (spec/pinning.md §11)."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of time; injected, so that a test can step it."""

    def now(self) -> datetime:
        """Return the present instant, aware and in UTC, to the microsecond."""

    def monotonic_s(self) -> float:
        """Return seconds that only rise, for waits and timeouts."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's present instant in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()


__all__ = ["Clock", "SystemClock"]
