"""What a run of the fault tests came to, whether a test made it or a command."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

Figure = int | float


@dataclass(slots=True)
class Outcome:
    """What was met, and what broke a promise.

    `seen` counts what the run came across (acknowledgements, kills, conflicts, …) and holds what it
    measured, such as `recovery_p99_s`. `broken` says in words what was violated, with all that is
    needed to repeat it; it is empty for a run that held.
    """

    seen: Counter[str] = field(default_factory=Counter)
    measured: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def require(self, *names: str) -> None:
        """Break the run for each thing that it never met: it would have proved nothing."""
        for name in names:
            if not self.seen[name]:
                self.broken.append(f"the run never met {name!r}, so it proves nothing about it")

    def add(self, other: "Outcome") -> None:
        """Take in what another part of the same run met; a measure keeps its worst."""
        self.seen.update(other.seen)
        self.broken += other.broken
        for name, value in other.measured.items():
            self.measured[name] = max(value, self.measured.get(name, value))

    def figures(self) -> Mapping[str, Figure]:
        """Return everything that was counted and measured, by name."""
        return {**dict(sorted(self.seen.items())), **dict(sorted(self.measured.items()))}


__all__ = ["Figure", "Outcome"]
