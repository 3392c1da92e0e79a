"""What a tool shows: as many lines as fit, inside a fence, and how to go on behind a cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from driftpin import review_limits
from driftpin.review.fences import fenced

_CHARACTERS_MAX: Final = review_limits.REVIEW_READ_LINE_CHARACTERS_MAX


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to a call: a fenced text with what the code says of it, and the paths it is of."""

    text: str
    paths: tuple[str, ...] = ()


def page(
    name: str,
    lines: Sequence[str],
    tell: Callable[[int], str],
    paths: Sequence[str] = (),
) -> Page:
    """Return the lines that fit, each cut where it is too long.

    `tell` says how to go on behind so many of them. What it says is the code's own and stands
    outside of the fence: it may repeat no text of others.
    """
    cut = [_cut(line) for line in lines]
    count = _fitting(cut)
    shown = "\n".join(cut[:count])
    return Page(f"{fenced(_cut(name), shown)}\n{tell(count)}", tuple(paths))


def _cut(line: str) -> str:
    left = len(line) - _CHARACTERS_MAX
    return line if left <= 0 else f"{line[:_CHARACTERS_MAX]} [{left} more characters]"


def _fitting(lines: Sequence[str]) -> int:
    left = review_limits.REVIEW_READ_ANSWER_BYTES_MAX
    for count, line in enumerate(lines):
        left -= len(line.encode("utf-8", "replace")) + 1
        if left < 0:
            return count
    return len(lines)


__all__ = ["Page", "page"]
