"""A clock that is stepped and ids that repeat, in place of the machine's."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)


class SteppedClock:
    """A clock that moves only when it is told to."""

    def __init__(self, start: datetime = BEGINNING) -> None:
        self._start = start
        self._elapsed = timedelta()

    def now(self) -> datetime:
        """Return the beginning plus all steps."""
        return self._start + self._elapsed

    def monotonic_s(self) -> float:
        """Return the seconds of all steps."""
        return self._elapsed.total_seconds()

    def step(self, seconds: float) -> None:
        """Move on."""
        self._elapsed += timedelta(seconds=seconds)


class ShiftedClock:
    """The machine's clock, off by as much as it is told; seconds go on as they do."""

    def __init__(self, off_by: timedelta = timedelta()) -> None:
        self.off_by = off_by

    def now(self) -> datetime:
        """Return the machine's time, shifted."""
        return datetime.now(UTC) + self.off_by

    def monotonic_s(self) -> float:
        """Return seconds that no shift touches."""
        return time.monotonic()


class CountingIds:
    """UUIDv7 whose random bits are a counter, so that a run can be repeated."""

    def __init__(self) -> None:
        self._count = 0

    def restart(self) -> None:
        """Give the same ids again, in a world of their own."""
        self._count = 0

    def fresh(self, now: datetime) -> str:
        """Return the next id."""
        self._count += 1
        milliseconds = int(now.timestamp() * 1000)
        digits = f"{milliseconds:012x}7000{0x8000_0000_0000_0000 + self._count:016x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
