"""Every promised row has a test that names it, and no test names a row that was not promised."""

import re
from pathlib import Path

import pytest

from promises.rows import LAST_ROWS, rows

TESTS = Path(__file__).parents[1]
IN_A_NAME = re.compile(r"def test_(?:[a-z]+_)*?((?:[a-h]\d+_)+)")
IN_AN_ID = re.compile(r"[\"'_-]([a-h]\d{1,2})[\"'_-]")
IN_TEXT = re.compile(r"\b([A-H]\d{1,2})\b")


def named_rows() -> set[str]:
    """Return the rows that names of tests, their ids and their docstrings mention."""
    found: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        if path.parent == Path(__file__).parent:
            continue
        text = path.read_text(encoding="utf-8")
        for names in IN_A_NAME.findall(text):
            found |= {name.upper() for name in names.split("_") if name}
        found |= set(IN_TEXT.findall(text))
        found |= {name.upper() for name in IN_AN_ID.findall(text)}
    return found


@pytest.mark.parametrize("row", list(rows()))
def test_every_promised_row_is_tested(row: str) -> None:
    assert row in named_rows()


def test_tests_by_name_are_of_known_rows() -> None:
    known = re.compile(r"def test_([a-h])(\d{1,2})_")
    unknown = [
        f"{section.upper()}{number}"
        for path in TESTS.rglob("test_*.py")
        for section, number in known.findall(path.read_text(encoding="utf-8"))
        if int(number) > max(LAST_ROWS[section.upper()], 38)
    ]
    assert unknown == []
