"""Unified text as rows of a table: both sides beside each other, and words inside of lines."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final

from markupsafe import Markup

from driftpin import limits
from driftpin.context.unified import CUT_LINE, NO_FINAL_NEWLINE, Budget
from driftpin.web.reveal import mark_drawn

HUNK: Final = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
WORDS: Final = re.compile(r"\w+|\s+|[^\w\s]")
FILE_HEADERS: Final = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One line on one side."""

    number: int
    words: Markup


@dataclass(frozen=True, slots=True)
class Row:
    """Both sides of one line; a note stands over both of them instead."""

    old: Cell | None
    new: Cell | None
    is_change: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the unified form; its mark is a space, a minus or a plus."""

    mark: str
    old_number: int | None
    new_number: int | None
    words: Markup
    note: str = ""


def side_by_side(text: str, budget: Budget) -> tuple[Row, ...]:
    """Return the rows of a unified text with its two file headers.

    Words inside of lines are compared for as long as `budget` has work left.
    """
    return tuple(_rows(text.split("\n")[FILE_HEADERS:], budget))


def unified(rows: Sequence[Row]) -> tuple[Line, ...]:
    """Return the same rows one below the other: in each change what went, then what came."""
    return tuple(_lines(rows))


def _rows(lines: Sequence[str], budget: Budget) -> Iterator[Row]:
    removed: list[str] = []
    added: list[str] = []
    old = new = 0
    for line in lines:
        mark, words = line[:1], line[1:]
        if mark == "-":
            removed.append(words)
            continue
        if mark == "+":
            added.append(words)
            continue
        yield from _change(removed, added, (old, new), budget)
        old, new = old + len(removed), new + len(added)
        removed, added = [], []
        hunk = HUNK.match(line)
        if hunk is not None:
            old, new = int(hunk[1]), int(hunk[2])
            yield Row(None, None, note=line)
        elif line + "\n" in (NO_FINAL_NEWLINE, CUT_LINE):
            yield Row(None, None, note=line.removeprefix("\\ "))
        elif mark == " ":
            yield Row(Cell(old, mark_drawn(words)), Cell(new, mark_drawn(words)))
            old, new = old + 1, new + 1
    yield from _change(removed, added, (old, new), budget)


def _change(
    removed: Sequence[str], added: Sequence[str], first: tuple[int, int], budget: Budget
) -> Iterator[Row]:
    for index, (before, after) in enumerate(zip_longest(removed, added)):
        left, right = _compared(before, after, budget)
        yield Row(
            None if left is None else Cell(first[0] + index, left),
            None if right is None else Cell(first[1] + index, right),
            is_change=True,
        )


def _compared(
    before: str | None, after: str | None, budget: Budget
) -> tuple[Markup | None, Markup | None]:
    """Return both lines with the words marked that only one of them has."""
    old, new = _words(before), _words(after)
    begin = _alike(old, new)
    end = _alike(old[begin:][::-1], new[begin:][::-1])
    old_middle, new_middle = (words[begin : len(words) - end] for words in (old, new))
    if not old or not new or not budget.take_work(len(old_middle) * len(new_middle)):
        left = None if before is None else mark_drawn(before)
        return left, None if after is None else mark_drawn(after)
    first, last = mark_drawn("".join(old[:begin])), mark_drawn("".join(old[len(old) - end :]))
    gone, come = _middles(old_middle, new_middle)
    return _whole(first, gone, last), _whole(first, come, last)


def _whole(first: Markup, middle: str, last: Markup) -> Markup:
    return Markup(f"{first}{middle}{last}")  # noqa: S704 every part of it is escaped


def _alike(old: Sequence[str], new: Sequence[str]) -> int:
    """Return with how many equal words both begin."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((count for count, (a, b) in pairs if a != b), min(len(old), len(new)))


def _middles(old: Sequence[str], new: Sequence[str]) -> tuple[str, str]:
    """Return what stands between equal ends; to compare those too takes most of the time."""
    if set(old).isdisjoint(new):
        return _piece("del", old, "replace"), _piece("ins", new, "replace")
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    left = "".join(_piece("del", old[a:b], tag) for tag, a, b, _, _ in codes)
    right = "".join(_piece("ins", new[c:d], tag) for tag, _, _, c, d in codes)
    return left, right


def _words(line: str | None) -> list[str]:
    is_long = line is not None and len(line) > limits.PAGE_COLOURED_CHARACTERS_MAX
    return [] if line is None or is_long else WORDS.findall(line)


def _piece(element: str, words: Sequence[str], tag: str) -> str:
    """Return words as HTML; those that the other side lacks inside of the element."""
    text = mark_drawn("".join(words))
    return text if tag == "equal" or not words else f"<{element}>{text}</{element}>"


def _lines(rows: Sequence[Row]) -> Iterator[Line]:
    change: list[Row] = []
    for row in rows:
        if row.is_change:
            change.append(row)
            continue
        yield from _below(change)
        change = []
        if row.note:
            yield Line("", None, None, Markup(""), row.note)
        elif row.old is not None and row.new is not None:
            yield Line(" ", row.old.number, row.new.number, row.new.words)
    yield from _below(change)


def _below(change: Sequence[Row]) -> Iterator[Line]:
    for row in change:
        if row.old is not None:
            yield Line("-", row.old.number, None, row.old.words)
    for row in change:
        if row.new is not None:
            yield Line("+", None, row.new.number, row.new.words)


__all__ = ["Cell", "Line", "Row", "side_by_side", "unified"]
