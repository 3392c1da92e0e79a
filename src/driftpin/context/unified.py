r"""Unified text between two texts, within a bound of work, for people to read.

Lines end at LF alone, so that no other character can hide a line. Hidden characters and lone CRs
are drawn as `\u{200B}`; where none are, the result can be applied with `patch`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from driftpin import limits
from driftpin.context.hidden_text import visible

CONTEXT_LINES: Final = 3
NO_FINAL_NEWLINE: Final = "\\ No newline at end of file\n"
CUT_LINE: Final = "… cut here\n"

# As difflib writes them: what happens, from and to in the old lines, from and to in the new.
Opcode = tuple[str, int, int, int, int]


@dataclass(slots=True)
class Budget:
    """What one diff may still spend; shared by all texts of it, and used up as it is made."""

    lines: int = limits.DIFF_LINES_MAX
    bytes_left: int = limits.DIFF_BYTES_MAX
    work: int = limits.DIFF_WORK_MAX

    def take_work(self, steps: int) -> bool:
        """Take so many steps of comparison if they are left; whether they were."""
        if steps > self.work:
            return False
        self.work -= steps
        return True

    def take_line(self, line: str) -> bool:
        """Take room for a line of output if it is left; whether it was."""
        size_bytes = len(line.encode("utf-8", "surrogatepass"))
        if self.lines < 1 or size_bytes > self.bytes_left:
            return False
        self.lines -= 1
        self.bytes_left -= size_bytes
        return True


@dataclass(frozen=True, slots=True)
class UnifiedText:
    """The hunks without file headers; the counts hold for the whole, also where `text` is cut."""

    text: str
    truncated: bool
    added_lines: int
    removed_lines: int


def unified_text(before: str, after: str, budget: Budget) -> UnifiedText:
    """Return what turns `before` into `after`, empty if they are equal."""
    old, new = _split(before), _split(after)
    groups = list(_groups(old, new, budget))
    text, truncated = _within(_rendered(groups, old, new), budget)
    changes = [code for group in groups for code in group if code[0] != "equal"]
    return UnifiedText(
        text=text,
        truncated=truncated,
        added_lines=sum(code[4] - code[3] for code in changes),
        removed_lines=sum(code[2] - code[1] for code in changes),
    )


def _split(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines


def _groups(old: Sequence[str], new: Sequence[str], budget: Budget) -> Iterator[list[Opcode]]:
    """Yield hunks as opcodes over the whole texts; equal ends are never compared twice."""
    if old == new:
        return
    head = _equal_lines(old, new)
    tail = _equal_lines(old[head:][::-1], new[head:][::-1])
    # Lines of context stay in, so that the hunks come out with them.
    start = max(0, head - CONTEXT_LINES)
    end = max(0, tail - CONTEXT_LINES)
    old_part, new_part = old[start : len(old) - end], new[start : len(new) - end]
    if budget.take_work(_work(old_part, new_part)):
        matcher = SequenceMatcher(_is_blank, old_part, new_part, autojunk=False)
        for group in matcher.get_grouped_opcodes(CONTEXT_LINES):
            yield [(tag, a + start, b + start, c + start, d + start) for tag, a, b, c, d in group]
    else:
        yield _whole_replacement(len(old), len(new), head, tail)


def _equal_lines(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many lines both begin with."""
    for index, (before, after) in enumerate(zip(old, new, strict=False)):
        if before != after:
            return index
    return min(len(old), len(new))


def _work(old: Sequence[str], new: Sequence[str]) -> int:
    """Return a bound on the steps of SequenceMatcher: pairs of equal lines, for every match."""
    counts = Counter(line for line in new if not _is_blank(line))
    pairs = sum(counts[line] for line in old)
    return (pairs + len(old)) * (min(len(old), len(new)) + 1)


def _is_blank(line: str) -> bool:
    return not line.strip(" \t\r\n")


def _whole_replacement(old_count: int, new_count: int, head: int, tail: int) -> list[Opcode]:
    before, after = min(CONTEXT_LINES, head), min(CONTEXT_LINES, tail)
    old_end, new_end = old_count - tail, new_count - tail
    codes = [
        ("equal", head - before, head, head - before, head),
        ("replace", head, old_end, head, new_end),
        ("equal", old_end, old_end + after, new_end, new_end + after),
    ]
    return [code for code in codes if code[1] < code[2] or code[3] < code[4]]


def _rendered(
    groups: Sequence[Sequence[Opcode]], old: Sequence[str], new: Sequence[str]
) -> Iterator[str]:
    for group in groups:
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n"
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                yield from _drawn(" ", old[old_start:old_end])
            else:
                yield from _drawn("-", old[old_start:old_end])
                yield from _drawn("+", new[new_start:new_end])


def _drawn(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if line.endswith("\n"):
            yield f"{mark}{visible(line)}"
        else:
            yield f"{mark}{visible(line)}\n"
            yield NO_FINAL_NEWLINE


def _range(start: int, end: int) -> str:
    """Return a range as unified text writes it: an empty one names the line before it."""
    count = end - start
    if count == 1:
        return str(start + 1)
    return f"{start + 1 if count else start},{count}"


def _within(lines: Iterator[str], budget: Budget) -> tuple[str, bool]:
    kept: list[str] = []
    for line in lines:
        if not budget.take_line(line):
            return "".join([*kept, CUT_LINE]), True
        kept.append(line)
    return "".join(kept), False


__all__ = ["CONTEXT_LINES", "CUT_LINE", "NO_FINAL_NEWLINE", "Budget", "UnifiedText", "unified_text"]
