"""How long a command and a second start take, as whole processes."""

import subprocess
import sys
import time
from pathlib import Path

from bench.product import driftpin, up, workspace
from bench.report import Report, median, spread

RUNS = 25
STARTS = 5


async def run(report: Report) -> None:
    report.section("Starting")
    _compare_version(report)
    _time_second_start(report)


def _compare_version(report: Report) -> None:
    bare: list[float] = []
    version: list[float] = []
    # In turn, so that a slow moment of the machine meets both.
    for _ in range(RUNS):
        bare.append(_run_ms([sys.executable, "-c", "pass"]))
        version.append(_run_ms([driftpin(), "--version"]))
    report.tell("a bare interpreter", spread(bare))
    report.tell("driftpin --version", spread(version))
    report.at_most("driftpin --version ÷ bare", median(version) / median(bare), 2.5, "×")


def _run_ms(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begun) * 1000


def _time_second_start(report: Report) -> None:
    with workspace(200, 8 * 1024) as root:
        state = root.parent / "state"
        first = _start_ms(root, state)
        later = [_start_ms(root, state) for _ in range(STARTS)]
    report.tell("first start, until ready", f"{first:,.0f} ms")
    report.tell("later starts", spread(later))
    report.at_most("second start, median", median(later) / 1000, 2, " s")


def _start_ms(root: Path, state: Path) -> float:
    begun = time.perf_counter()
    with up(root, state):
        return (time.perf_counter() - begun) * 1000
