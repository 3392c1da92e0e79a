"""What a finding is tied to: the code at its place, found again after any edit around it.

An anchor holds normalised lines (white space folded), the symbol around them and a few lines on
either side, and no line number. So shifts, renames, re-indents and moved functions do not lose it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from driftpin import review_limits
from driftpin.identity import digest_of
from driftpin.review.finding import Anchor, Place, Side

LINES_MAX: Final = 12
CONTEXT_LINES: Final = 3
ALIKE_MIN: Final = 0.6
# How much better a place in another file must be than one in the file where the code was.
_AT_HOME: Final = 2
_SYMBOL: Final = re.compile(
    r"[ \t]*(?:(?:export|default|public|private|protected|static|async|pub|final|abstract|override)"
    r"[ \t]+)*(?:def|class|func|function|fn|struct|enum|interface|trait|impl|module|namespace|type)"
    r"[ \t]+(?:\([^()]*\)[ \t]*)?([A-Za-z_$][\w$]*)"
)
_WORD: Final = re.compile(r"[A-Za-z0-9_]+")
_FILLERS: Final = frozenset(
    {
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "for",
        "from",
        "has",
        "here",
        "in",
        "is",
        "it",
    }
    | {"its", "of", "on", "or", "so", "that", "the", "then", "there", "this", "to", "with"}
)
_SYMBOL_LINE_CHARACTERS_MAX: Final = 500


def normalise(line: str) -> str:
    """Return a line with its white space folded."""
    return " ".join(line.split())


def tokens(text: str) -> frozenset[str]:
    """Return the words of a text that say something, in lower case; all where none does."""
    words = frozenset(word.lower() for word in _WORD.findall(text))
    return words - _FILLERS or words


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of words that two texts have in common, of the shorter one."""
    smaller = min(len(one), len(other))
    return len(one & other) / smaller if smaller else 0.0


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file's lines, as they are and normalised, with where each normalised line stands."""

    lines: tuple[str, ...]
    folded: tuple[str, ...] = field(repr=False)
    places: Mapping[str, tuple[int, ...]] = field(repr=False)

    @property
    def count(self) -> int:
        """How many lines it has."""
        return len(self.lines)

    def symbol_at(self, number: int) -> str:
        """Return the name of the innermost symbol around a line, empty if there is none."""
        index = min(max(number, 1), self.count) - 1
        if index < 0:
            return ""
        if found := _symbol_in(self.lines[index]):
            return found
        while index < self.count - 1 and not self.folded[index]:
            index += 1
        return self._symbol_above(index)

    def _symbol_above(self, index: int) -> str:
        depth = _depth(self.lines[index])
        for above in range(index - 1, -1, -1):
            if not self.folded[above] or _depth(self.lines[above]) >= depth:
                continue
            depth = _depth(self.lines[above])
            if found := _symbol_in(self.lines[above]):
                return found
            if depth == 0:
                break
        return ""


def source_text(text: str) -> SourceText:
    """Return a file's text made ready to be looked into."""
    lines = tuple(text.removesuffix("\n").split("\n")) if text else ()
    folded = tuple(normalise(line) for line in lines)
    places: dict[str, list[int]] = {}
    for index, line in enumerate(folded):
        places.setdefault(line, []).append(index)
    return SourceText(lines, folded, {line: tuple(found) for line, found in places.items()})


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def begins_symbol(line: str) -> bool:
    """Whether a symbol begins on a line."""
    return bool(_symbol_in(line))


def _symbol_in(line: str) -> str:
    found = _SYMBOL.match(line[:_SYMBOL_LINE_CHARACTERS_MAX])
    return found[1] if found else ""


def make_anchor(place: Place, text: SourceText) -> Anchor:
    """Return the anchor of a place in a text."""
    first = min(max(place.first, 1), max(text.count, 1)) - 1
    last = min(max(place.last, place.first), first + LINES_MAX, max(text.count, 1))
    return Anchor(
        path=place.path,
        side=place.side,
        symbol=text.symbol_at(place.first),
        lines=text.folded[first:last],
        before=tuple(line for line in text.folded[:first] if line)[-CONTEXT_LINES:],
        after=tuple(line for line in text.folded[last:] if line)[:CONTEXT_LINES],
    )


def fingerprint(path: str, symbol: str, category: str, lines: tuple[str, ...]) -> str:
    """Return the digest that names a finding: of its path, symbol, category and code."""
    written = "\0".join((path, symbol, category.lower(), "\n".join(lines)))
    return digest_of(written.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Located:
    """Where an anchor stands now; `is_exact` when its code has not changed but for white space."""

    place: Place
    is_exact: bool


def locate(
    anchor: Anchor, texts: Mapping[str, SourceText], path: str, near: int = 0
) -> Located | None:
    """Return where the anchor's code stands, looked for at `path` first; None if it is gone.

    `near` is the line where it is expected, and decides between places that are alike.
    """
    here = _exact(anchor, texts[path], path, near) if path in texts else None
    if here is not None and not any(anchor.lines) and not here.is_sure:
        here = None
    elsewhere = _elsewhere(anchor, texts, path)
    if elsewhere is not None and (here is None or elsewhere.score > here.score + _AT_HOME):
        return Located(elsewhere.place, is_exact=True)
    if here is not None:
        return Located(here.place, is_exact=True)
    return _alike(anchor, texts[path], path, near) if path in texts else None


@dataclass(frozen=True, slots=True)
class _Candidate:
    score: int
    distance: int
    place: Place
    is_sure: bool

    @property
    def order(self) -> tuple[int, int, int]:
        return (-self.score, self.distance, self.place.first)


def _exact(anchor: Anchor, text: SourceText, path: str, near: int) -> _Candidate | None:
    found = [_scored(anchor, text, path, start, near) for start in _starts(anchor, text)]
    return min(found, key=lambda each: each.order, default=None)


def _starts(anchor: Anchor, text: SourceText) -> Iterator[int]:
    wanted, length = anchor.lines, len(anchor.lines)
    if not wanted:
        return
    for start in text.places.get(wanted[0], ()):
        if text.folded[start : start + length] == wanted:
            yield start


def _scored(anchor: Anchor, text: SourceText, path: str, start: int, near: int) -> _Candidate:
    end = start + len(anchor.lines)
    before = tuple(line for line in text.folded[max(0, start - 12) : start] if line)
    after = tuple(line for line in text.folded[end : end + 12] if line)
    context = len(set(anchor.before) & set(before[-CONTEXT_LINES:])) + len(
        set(anchor.after) & set(after[:CONTEXT_LINES])
    )
    has_symbol = text.symbol_at(start + 1) == anchor.symbol
    place = Place(path, start + 1, max(end, start + 1), anchor.side)
    score = context + 4 * has_symbol
    return _Candidate(score, abs(start + 1 - near), place, context > 0)


def _elsewhere(anchor: Anchor, texts: Mapping[str, SourceText], path: str) -> _Candidate | None:
    """Return where the code was moved to: another file, and not by chance."""
    words = len(tokens(" ".join(anchor.lines)))
    found: list[_Candidate] = []
    for other in sorted(texts):
        if other == path or not anchor.lines or words == 0:
            continue
        best = _exact(anchor, texts[other], other, 0)
        if best is not None and best.is_sure and (best.score >= 4 or words >= 4):
            found.append(best)
    return min(found, key=lambda each: (*each.order, each.place.path), default=None)


def _alike(anchor: Anchor, text: SourceText, path: str, near: int) -> Located | None:
    """Return the place whose code is nearly the anchor's, inside the same symbol."""
    wanted = tokens(" ".join(anchor.lines))
    length = max(len(anchor.lines), 1)
    best: tuple[float, int, int] | None = None
    for start in range(max(text.count - length + 1, 0)):
        here = tokens(" ".join(text.folded[start : start + length]))
        if likeness(wanted, here) < ALIKE_MIN or len(here) < len(wanted) * ALIKE_MIN:
            continue
        if text.symbol_at(start + 1) != anchor.symbol:
            continue
        order = (-likeness(wanted, here), abs(start + 1 - near), start)
        best = order if best is None else min(best, order)
    if best is None:
        return None
    return Located(Place(path, best[2] + 1, best[2] + length, anchor.side), is_exact=False)


def quote_stands(quote: str, text: SourceText, first: int, last: int) -> bool:
    """Whether a quotation occurs within the window around a range, white space folded."""
    window = review_limits.REVIEW_QUOTE_WINDOW_LINES
    low, high = max(0, first - 1 - window), min(text.count, last + window)
    return normalise(quote) in " ".join(line for line in text.folded[low:high] if line)


def side_text(
    place: Place, old: Mapping[str, SourceText], new: Mapping[str, SourceText]
) -> SourceText | None:
    """Return the version of the file that a place is in."""
    return (old if place.side is Side.OLD else new).get(place.path)


__all__ = [
    "Located",
    "SourceText",
    "begins_symbol",
    "fingerprint",
    "likeness",
    "locate",
    "make_anchor",
    "normalise",
    "quote_stands",
    "side_text",
    "source_text",
    "tokens",
]
