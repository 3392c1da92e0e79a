"""Plants bugs and counts how many the tests notice; see `./scripts/mutate`."""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, Final

from mutants import Mutant, mutants_of
from proved_modules import ROOT, modules, tests_of

KEPT: Final = ROOT / "docs" / "reference" / "evidence" / "mutation.json"
COPIED: Final = ("src", "tests", "scripts", "chaos", "docs", "pyproject.toml", "changelog.d")
GOAL_PERCENT: Final = 80.0
WEEKLY_COUNT: Final = 1_000
# A mutant that hangs is noticed too.
ONE_MUTANT_S: Final = 300


def main() -> int:
    """Return 1 if the goal is missed."""
    asked = _arguments()
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    everything = [mutant for module in _chosen(asked.modules) for mutant in mutants_of(module)]
    dice = random.Random(seed)  # noqa: S311 dice, not a secret
    chosen = dice.sample(everything, min(asked.count, len(everything)))
    began_s = time.monotonic()
    found: Counter[str] = Counter()
    survivors: list[str] = []
    with tempfile.TemporaryDirectory(prefix="dp-") as place:
        tree = _copy(Path(place))
        sound: set[tuple[str, ...]] = set()
        for mutant in chosen:
            tests = tests_of(mutant.module)
            if tests not in sound:
                # Tests that fail anyway would notice everything.
                assert _passes(tree, tests), f"{tests} fail without a planted bug"
                sound.add(tests)
            if time.monotonic() - began_s > asked.minutes * 60:
                break
            is_noticed = _is_noticed(tree, mutant)
            found["killed" if is_noticed else "survived"] += 1
            if not is_noticed:
                survivors.append(_told(mutant))
                print(f"survived: {survivors[-1]}", flush=True)
    record = _record(found, survivors, seed, time.monotonic() - began_s, len(everything))
    print(json.dumps(record, indent=2))
    if asked.keep:
        KEPT.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return int(bool(record["broken"]))


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


def _copy(place: Path) -> Path:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, place / name)
    return place


def _is_noticed(tree: Path, mutant: Mutant) -> bool:
    path = tree / mutant.module.relative_to(ROOT)
    whole = path.read_text(encoding="utf-8")
    _write(path, mutant.source)
    try:
        return not _passes(tree, tests_of(mutant.module))
    finally:
        _write(path, whole)


def _write(path: Path, source: str) -> None:
    """Change a module, and forget what was compiled of it: its size and second may be the same."""
    path.write_text(source, encoding="utf-8")
    Path(cache_from_source(str(path))).unlink(missing_ok=True)


def _passes(tree: Path, tests: tuple[str, ...]) -> bool:
    """Whether the tests pass; those that hang do not."""
    # Everything but the changed module is compiled once for all mutants.
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": ""}
    try:
        tested = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-x"),
                *("-k", "not postgresql", *tests),
            ],
            cwd=tree,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=ONE_MUTANT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return tested.returncode == 0


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
