"""Measures the branch coverage of what everything rests on; see `./scripts/coverage`."""

import json
import os
import shutil
import subprocess
import sys
import time
from typing import Any, Final

from proved_modules import ROOT, all_tests

FLOOR_PERCENT: Final = 95.0
DATA: Final = ROOT / ".coverage"
# One engine is enough: statements are the same on both, and dialects are not among the modules.
CHOICE: Final = "not postgresql"


def main() -> int:
    """Return 1 below the floor, or if a test failed."""
    began_s = time.monotonic()
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    if not _run_tests(os.cpu_count() or 1):
        return 1
    _coverage("combine", "--quiet")
    _coverage("json", "--quiet", "-o", str(DATA / "report.json"))
    report: dict[str, Any] = json.loads((DATA / "report.json").read_text(encoding="utf-8"))
    percent = _tell(report)
    print(f"{percent:.1f} % of branches, in {time.monotonic() - began_s:.0f} s")
    return int(percent < FLOOR_PERCENT)


def _run_tests(at_once: int) -> bool:
    """Run the tests side by side; each process measures for itself."""
    tests = all_tests()
    running = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "coverage", "run", "-m", "pytest", "-q"),
                *("-k", CHOICE, *tests[part::at_once]),
            ],
            cwd=ROOT,
        )
        for part in range(min(at_once, len(tests)))
    ]
    codes = [process.wait() for process in running]
    return not any(codes)


def _coverage(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "coverage", *arguments], cwd=ROOT, check=True)


def _tell(report: dict[str, Any]) -> float:
    for name, file in sorted(report["files"].items()):
        summary = file["summary"]
        if summary["missing_branches"] or summary["missing_lines"]:
            missing = [f"{a}->{b}" for a, b in file["missing_branches"]]
            print(f"{name}: lines {file['missing_lines']}, branches {', '.join(missing)}")
    totals = report["totals"]
    covered, possible = int(totals["covered_branches"]), int(totals["num_branches"])
    return 100.0 * covered / possible


if __name__ == "__main__":
    sys.exit(main())
