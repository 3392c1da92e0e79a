"""What reviews took on each day: one file per day, a line for everybody who was asked.

A line is written by one call, so that processes can share the file, and before the answer is used:
what was taken is gone. A line that a crash left unfinished counts for nothing.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from driftpin.clock import Clock
from driftpin.review.spending import Spent


@dataclass(frozen=True, slots=True)
class Daybook:
    """The days of one state directory; days are those of UTC."""

    path: Path
    clock: Clock

    def add(self, round_name: str, spent: Spent) -> None:
        """Write down what was taken for a round just now."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        handle = os.open(self._today(), flags, 0o600)
        try:
            os.write(handle, f"{spent.tokens} {spent.money} {round_name}\n".encode())
        finally:
            os.close(handle)

    def taken(self, *, beside: str = "") -> Spent:
        """Return what was taken today for all rounds but one."""
        try:
            written = self._today().read_bytes()
        except FileNotFoundError:
            return Spent()
        total = Spent()
        for line in written.decode("utf-8", "replace").splitlines(keepends=True):
            tokens, _, rest = line.partition(" ")
            money, _, name = rest.partition(" ")
            is_whole = tokens.isdecimal() and money.isdecimal() and name.endswith("\n")
            if is_whole and name.rstrip("\n") != beside:
                total += Spent(int(tokens), int(money))
        return total

    def _today(self) -> Path:
        return self.path / f"{self.clock.now():%Y-%m-%d}"


__all__ = ["Daybook"]
