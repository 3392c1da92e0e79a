"""Plants bugs and counts how many the tests notice; see `./scripts/mutate`."""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from mutants import Mutant, mutants_of
from planting import Planting, Told
from proved_modules import ROOT, modules, tests_of

KEPT: Final = ROOT / "docs" / "reference" / "evidence" / "mutation.json"
GOAL_PERCENT: Final = 80.0
WEEKLY_COUNT: Final = 1_000


def main() -> int:
    """Return 1 if the goal is missed."""
    asked = _arguments()
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    everything = [mutant for module in _chosen(asked.modules) for mutant in mutants_of(module)]
    dice = random.Random(seed)  # noqa: S311 dice, not a secret
    chosen = dice.sample(everything, min(asked.count, len(everything)))
    began_s = time.monotonic()
    until_s = began_s + 60 * float(asked.minutes)
    found: Counter[str] = Counter()
    survivors: list[str] = []

    def told(mutant: Mutant, *, is_noticed: bool) -> bool:
        found["killed" if is_noticed else "survived"] += 1
        if not is_noticed:
            survivors.append(_told(mutant))
            print(f"survived: {survivors[-1]}", file=sys.stderr, flush=True)
        return time.monotonic() < until_s

    _plant(chosen, told)
    record = _record(found, survivors, seed, time.monotonic() - began_s, len(everything))
    print(json.dumps(record, indent=2))
    if asked.keep:
        KEPT.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return int(bool(record["broken"]))


def _plant(chosen: list[Mutant], told: Told) -> None:
    """Try the mutants in a session of pytest that has collected the tests of their modules."""
    tests = sorted({test for mutant in chosen for test in tests_of(mutant.module)})
    with tempfile.TemporaryDirectory(prefix="dp-") as place:
        code = pytest.main(
            [
                *("-q", "--capture=no", "-p", "no:cacheprovider", "-p", "no:xdist"),
                *(f"--basetemp={place}/tests", f"--rootdir={ROOT}", "-k", "not postgresql"),
                *(str(ROOT / test) for test in tests),
            ],
            plugins=[Planting(chosen, told)],
        )
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED), code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./scripts/mutate", description=__doc__)
    parser.add_argument(
        "modules", nargs="*", help="only modules with this in their path, such as agent/ or pins"
    )
    parser.add_argument("--count", type=int, default=WEEKLY_COUNT, help="how many mutants")
    parser.add_argument("--minutes", type=float, default=24 * 60, help="stop after so long")
    parser.add_argument("--seed", type=int, help="repeats a choice; a fresh one without")
    parser.add_argument("--keep", action="store_true", help="write docs/reference/evidence")
    return parser.parse_args()


def _chosen(parts: list[str]) -> tuple[Path, ...]:
    chosen = tuple(
        module
        for module in modules()
        if not parts or any(part in module.relative_to(ROOT).as_posix() for part in parts)
    )
    assert chosen, f"no module has one of {parts} in its path"
    return chosen


def _told(mutant: Mutant) -> str:
    return f"{mutant.module.relative_to(ROOT).as_posix()}:{mutant.line} {mutant.operator}"


def _record(
    found: Counter[str], survivors: list[str], seed: int, seconds: float, possible: int
) -> dict[str, Any]:
    tried = found["killed"] + found["survived"]
    percent = round(100.0 * found["killed"] / tried, 1) if tried else 0.0
    missed = [] if percent >= GOAL_PERCENT else [f"{percent} % is below {GOAL_PERCENT} %"]
    figures = {**found, "possible": possible, "score_percent": percent}
    return {
        "run": "mutation",
        "count": tried,
        "unit": "planted bugs",
        "share_of_long_run": round(tried / WEEKLY_COUNT, 4),
        "seed": seed,
        "seconds": round(seconds),
        "figures": dict(sorted(figures.items())),
        "survivors": sorted(survivors),
        "broken": missed,
    }


if __name__ == "__main__":
    sys.exit(main())
