"""Run benchmarks by name, all of them by default; exit 1 when a promised figure was missed."""

import argparse
import asyncio
import platform
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

from bench import idle, latency, load, page, pinning, prefix, rescan, review, startup, tokens, turns
from bench.report import Report

BENCHMARKS: dict[str, Callable[[Report], Coroutine[None, None, None]]] = {
    "pinning": pinning.run,
    "load": load.run,
    "latency": latency.run,
    "prefix": prefix.run,
    "rescan": rescan.run,
    "idle": idle.run,
    "startup": startup.run,
    "page": page.run,
    "turns": turns.run,
    "tokens": tokens.run,
    "review": review.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="default: all")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    chosen = parser.parse_args()
    report = Report()
    print(f"driftpin benchmarks: Python {platform.python_version()}, {platform.machine()}")
    for name in chosen.names or BENCHMARKS:
        asyncio.run(BENCHMARKS[name](report))
    if chosen.json:
        chosen.json.write_text(report.as_json(), encoding="utf-8")
    print("\nEvery promised figure holds." if report.is_kept else "\nA promised figure was missed.")
    return 0 if report.is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
