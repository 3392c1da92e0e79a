"""What a tool shows: as many lines as fit, inside a fence, and how to go on behind a cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from driftpin import review_limits
from driftpin.review.fences import fenced


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
    """Return the lines that fit; `tell` says how to go on behind so many of them.

    What it says is the code's own and stands outside of the fence: it may repeat no text of others.
    """
    count = _fitting(lines)
    shown = "\n".join(lines[:count])
    return Page(f"{fenced(name, shown)}\n{tell(count)}", tuple(paths))


def _fitting(lines: Sequence[str]) -> int:
    left = review_limits.REVIEW_READ_ANSWER_BYTES_MAX
    for count, line in enumerate(lines):
        left -= len(line.encode("utf-8", "replace")) + 1
        if left < 0:
            return max(count, 1)
    return len(lines)


__all__ = ["Page", "page"]
