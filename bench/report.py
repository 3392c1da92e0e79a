"""How figures are collected and shown: what was measured, what was promised, what held."""

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

    def at_least(
        self, name: str, value: float, bound: float, detail: str = "", *, unit: str = "×"
    ) -> None:
        """Add a ratio, or what else `unit` says, that must not be smaller than `bound`."""
        told = f"{value:,.1f}{unit}{_behind(detail)}"
        self._add(Figure(name, told, f"≥ {bound:g}{unit}", value >= bound))

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
    return [await _time_ms(action, number) for number in range(runs)]


async def _time_ms(action: Callable[[int], Awaitable[object]], number: int) -> float:
    begun = time.perf_counter()
    await action(number)
    return (time.perf_counter() - begun) * 1000


async def in_turn_ms(
    one: Callable[[int], Awaitable[object]], other: Callable[[int], Awaitable[object]], runs: int
) -> tuple[list[float], list[float]]:
    """Time two actions in turn, so that a slow moment of the machine meets both."""
    first: list[float] = []
    second: list[float] = []
    for number in range(runs):
        first.append(await _time_ms(one, number))
        second.append(await _time_ms(other, number))
    return first, second


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """Tell a series as `median (min to max)` milliseconds."""
    return f"{median(values):.2f} ms ({min(values):.2f} to {max(values):.2f})"
