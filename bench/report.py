"""How figures are collected and shown: name, what was measured, what was promised, whether it held."""

import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One promised figure. `holds` is None where a number is only told."""

    name: str
    measured: str
    promised: str = ""
    holds: bool | None = None


@dataclass(slots=True)
class Report:
    """The figures of one run, printed as they come."""

    figures: list[Figure] = field(default_factory=list)

    def section(self, title: str) -> None:
        print(f"\n## {title}\n", flush=True)
        print("| figure | measured | promised | |")
        print("| --- | --- | --- | --- |", flush=True)

    def tell(self, name: str, measured: str) -> None:
        """Add a number without a promise."""
        self._add(Figure(name, measured))

    def at_least(self, name: str, value: float, bound: float, detail: str = "") -> None:
        """Add a ratio that must not be smaller than `bound`."""
        told = f"{value:,.1f}×{_behind(detail)}"
        self._add(Figure(name, told, f"≥ {bound:g}×", value >= bound))

    def at_most(self, name: str, value: float, bound: float, unit: str, detail: str = "") -> None:
        """Add a value that must not be larger than `bound`."""
        told = f"{value:,.2f}{unit}{_behind(detail)}"
        self._add(Figure(name, told, f"≤ {bound:g}{unit}", value <= bound))

    def as_json(self) -> str:
        return json.dumps([asdict(figure) for figure in self.figures], indent=2)

    @property
    def is_kept(self) -> bool:
        """Whether every promise of this run held."""
        return all(figure.holds is not False for figure in self.figures)

    def _add(self, figure: Figure) -> None:
        self.figures.append(figure)
        verdict = {True: "holds", False: "**missed**", None: ""}[figure.holds]
        print(f"| {figure.name} | {figure.measured} | {figure.promised} | {verdict} |", flush=True)


def _behind(detail: str) -> str:
    return f" ({detail})" if detail else ""


async def times_ms(action: Callable[[int], Awaitable[object]], runs: int) -> list[float]:
    """Return the milliseconds that each of `runs` calls took; a call gets its number."""
    taken = []
    for number in range(runs):
        begun = time.perf_counter()
        await action(number)
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """Tell a series as `median (min to max)` milliseconds."""
    return f"{median(values):.2f} ms ({min(values):.2f} to {max(values):.2f})"
