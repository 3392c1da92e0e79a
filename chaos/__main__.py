"""Runs what is named, prints what it met, and keeps the results: see `./scripts/chaos --help`."""

import argparse
import importlib
import json
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.registry import RUNS
from outcome import Outcome

KEPT = Path(__file__).parents[1] / "docs" / "reference" / "evidence"


def main() -> int:
    """Return 1 if any promise broke."""
    asked = _arguments()
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    has_broken = False
    for name in asked.names or RUNS:
        count = asked.count or max(1, round(RUNS[name].long * asked.share))
        record = _carry_out(name, count, seed)
        has_broken |= bool(record["broken"])
        tell(record)
        if asked.keep:
            keep(record)
    return int(has_broken)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./scripts/chaos", description=f"Long runs of the fault tests: {', '.join(RUNS)}."
    )
    parser.add_argument("names", nargs="*", help="which runs; all of them without")
    parser.add_argument("--count", type=int, help="how many, in the unit of the run")
    parser.add_argument("--share", type=float, default=0.1, help="of a long run; 0.1 without")
    parser.add_argument("--seed", type=int, help="repeats a run; a fresh one without")
    parser.add_argument("--keep", action="store_true", help="write docs/reference/evidence/*.json")
    asked = parser.parse_args()
    for name in asked.names:
        if name not in RUNS:
            parser.error(f"there is no run {name!r}; there are {', '.join(RUNS)}")
    return asked


def _carry_out(name: str, count: int, seed: int) -> dict[str, Any]:
    run = RUNS[name]
    began_s = time.monotonic()
    outcome: Outcome = importlib.import_module(run.module).run(count, seed)
    return {
        "run": name,
        "count": count,
        "unit": run.unit,
        "share_of_long_run": round(count / run.long, 4),
        "seed": seed,
        "seconds": round(time.monotonic() - began_s),
        "figures": dict(outcome.figures()),
        "broken": outcome.broken,
    }


def keep(record: Mapping[str, Any]) -> None:
    """Write the result of a run where the page of evidence finds it."""
    KEPT.mkdir(exist_ok=True)
    text = json.dumps(record, indent=2) + "\n"
    (KEPT / f"{record['run']}.json").write_text(text, encoding="utf-8")


def tell(record: Mapping[str, Any]) -> None:
    """Print what a run came to."""
    print("{run}: {count} {unit}, seed {seed}, {seconds} s".format(**record))
    for figure, value in record["figures"].items():
        print(f"  {figure} {value:g}")
    for broken in record["broken"]:
        print(f"  BROKEN {broken}", file=sys.stderr)
    how_often = len(record["broken"])
    print(f"  broke {how_often} times" if how_often else "  held", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
