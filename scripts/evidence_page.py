"""Writes the page of evidence: what the long runs came to, and every defect that they found.

Results are the JSON files that `./scripts/chaos … --keep` writes; defects stand in `defects.toml`,
each with the test that now catches it, and a test of the house looks that it is there.
"""

import json
import tomllib
from pathlib import Path
from typing import Any, Final

EVIDENCE: Final = Path(__file__).parents[1] / "docs" / "reference" / "evidence"
INTRODUCTION: Final = """\
# Evidence

What driftpin promises about faults is shown by runs of the fault tests. Every commit runs them
with small counts and fixed seeds (`./scripts/test`, `./scripts/proofs`);
`./scripts/chaos NAME --count N --seed S` runs
the same code for longer, and with `--keep` its result is kept here. A run that never met what it is
to prove (a conflict, a fence, a duplicate, a kill, …) counts as broken.

A *share* is the part of a long run that was made: a long run of `kills`, for example, is 1,000
kills. Times are of two shared cores and say only how long the run took.

## Runs
"""


def evidence_page() -> str:
    """Return the page."""
    lines = [INTRODUCTION, "| run | how much | share | seed | time | broken |", "| --- " * 6 + "|"]
    records = _records()
    lines += [
        f"| [{record['run']}](#{record['run']}) | {record['count']:,} {record['unit']} "
        f"| {record['share_of_long_run']:g} | {record['seed']} | {record['seconds']:,} s "
        f"| {len(record['broken'])} |"
        for record in records
    ]
    lines += ["", "## What the runs met", ""]
    for record in records:
        lines += [f"### {record['run']}", "", _figures(record["figures"]), ""]
    lines += ["## Defects found, and the tests that catch them now", ""]
    lines += ["| defect | found by | test |", "| --- | --- | --- |"]
    lines += [
        f"| {defect['what']} | {defect['found']} | `{defect['test']}` |" for defect in defects()
    ]
    return "\n".join(lines) + "\n"


def defects() -> list[dict[str, str]]:
    """Return every defect: `what` it was, what `found` it, and the `test` (path::name)."""
    path = EVIDENCE / "defects.toml"
    found: list[dict[str, str]] = tomllib.loads(path.read_text(encoding="utf-8")).get("defect", [])
    return found


def _records() -> list[dict[str, Any]]:
    return [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(EVIDENCE.glob("*.json"))
    ]


def _figures(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:,.6g}" for name, value in figures.items()) + "."


__all__ = ["defects", "evidence_page"]
