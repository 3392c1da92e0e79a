"""`search`: git looks through a pinned tree, for a text or for a pattern that it can bound.

Patterns are matched without going back. What would make a matcher go back, or grow without end, is
refused; time and memory of the process have a maximum beside that.
"""

import math
import re
from collections.abc import Iterator
from typing import Final

from driftpin import review_limits
from driftpin.review.diff import quoted
from driftpin.review.reading.pages import Page, page
from driftpin.review.reading.trees import PinnedTrees
from driftpin.review.reading.wishes import SearchWish, bad, read_path, read_skip

_PARTS: Final = re.compile(r"\\(.)|\[\^?\]?(?:\[:\w+:\]|[^\]])*\]|\(\?|\{(\d*)(,?)(\d*)\}")
_FOUND: Final = re.compile(rb"(.*?)\0(\d+)\0([^\n]*)\n?", re.DOTALL)
_NOTHING: Final = 1


def search_tree(trees: PinnedTrees, wish: SearchWish) -> Page:
    """Return the lines that have the text."""
    skip = read_skip(wish.skip)
    tree = trees.names[wish.side]
    arguments: list[str | bytes] = ["grep", "-n", "-z", "-I", "--no-textconv", "--full-name"]
    arguments += ["--ignore-case"] if wish.ignore_case else []
    arguments += ["-E" if wish.is_pattern else "-F", "-e", _pattern(wish), tree, "--"]
    arguments += [read_path(wish.path.removesuffix("/"))] if wish.path else []
    looked = trees.look(*arguments, bytes_max=review_limits.REVIEW_READ_MATCHES_BYTES_MAX)
    if not looked.is_cut and looked.code not in {0, _NOTHING}:
        raise bad(
            "git cannot search for this; is the pattern whole, and is it simple enough? In a"
            " partial copy of a repository narrow the path to files that are there."
        )
    found = list(_matches(looked.content, len(tree) + 1))
    shown = found[skip : skip + review_limits.REVIEW_READ_MATCHES_MAX]

    def tell(count: int) -> str:
        if not found:
            return f"Nothing found at the {wish.side}."
        all_of = "the first" if looked.is_cut else "all"
        told = f"{count} matches, from number {skip + 1} on, of {all_of} {len(found)}."
        if skip + count < len(found):
            return f"{told} Cut; go on with skip={skip + count}, or narrow the path."
        return f"{told} There are more: narrow the path or the text." if looked.is_cut else told

    return page(f"lines found at the {wish.side}", shown, tell)


def _pattern(wish: SearchWish) -> bytes:
    text = wish.text
    if not text or len(text) > review_limits.REVIEW_READ_PATTERN_CHARACTERS_MAX:
        most = review_limits.REVIEW_READ_PATTERN_CHARACTERS_MAX
        raise bad(f"Look for a text of 1 to {most} characters.")
    if "\n" in text or "\0" in text:
        raise bad("Look for something inside of one line: `search` looks at lines.")
    return (_bounded(text) if wish.is_pattern else text).encode("utf-8", "replace")


def _bounded(pattern: str) -> str:
    """Return a pattern as git reads it, or refuse one that could cost without bound."""
    repeats: list[int] = []

    def checked(part: re.Match[str]) -> str:
        letter = part[1]
        if part[0] == "(?" or (letter and letter.isdigit()):
            raise bad("A pattern here has no references back and no groups that begin with `(?`.")
        if part[2] is not None:
            repeats.append(int(part[4] or part[2] or 1) or 1)
        return {"d": "[0-9]", "D": "[^0-9]", "t": "\t"}.get(letter, part[0])

    read = _PARTS.sub(checked, pattern)
    if math.prod(repeats) > review_limits.REVIEW_READ_PATTERN_REPEATS_MAX:
        raise bad("The counts of the pattern are too large; search for less and look at it.")
    return read


def _matches(content: bytes, start: int) -> Iterator[str]:
    """Yield the matches that are there whole; what was cut in the middle of one ends them."""
    position = 0
    while found := _FOUND.match(content, position):
        position = found.end()
        path, number, line = found.groups()
        text = line.decode("utf-8", "replace")
        yield f"{quoted(path[start:])}:{number.decode('ascii')}: {text}"


__all__ = ["search_tree"]
