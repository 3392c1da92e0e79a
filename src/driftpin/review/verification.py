"""What verifiers and refuters answer, and what code lets it do.

Both answer one JSON document with `result`, and a quotation with its place. No quotation that
stands there, no fix and no refutation.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from driftpin.errors import Malformed
from driftpin.review.anchors import make_anchor, quote_stands
from driftpin.review.claims import Trees, find_document
from driftpin.review.diff import unquote
from driftpin.review.finding import Anchor, Place


class Result(StrEnum):
    """What a verifier or a refuter found."""

    FIXED = "fixed"
    OPEN = "open"
    OBSOLETE = "obsolete"
    WITHDRAWN = "withdrawn"
    CANNOT_TELL = "cannot_tell"
    STANDS = "stands"
    REFUTED = "refuted"


SETTLING: Final = frozenset({Result.FIXED, Result.OBSOLETE, Result.WITHDRAWN})


class _RawRuling(msgspec.Struct):
    result: Result
    path: str = ""
    line: int = 0
    quote: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A checked answer: `anchor` is the code that was quoted, None when no quotation stands."""

    result: Result
    why: str
    quote: str = ""
    anchor: Anchor | None = None
    place: Place | None = None


def ruled_paths(text: str) -> tuple[str, ...]:
    """Return the path that a ruling quotes from, whatever else is wrong with it."""
    try:
        path = find_document(text).get("path")
    except Malformed:
        return ()
    return (unquote(path),) if isinstance(path, str) and path else ()


def read_ruling(text: str, trees: Trees) -> Ruling:
    """Return what the answer says; Malformed `bad_answer` when it is none."""
    try:
        raw = msgspec.convert(find_document(text), _RawRuling)
    except msgspec.ValidationError as error:
        raise Malformed(f"The answer is not as it should be: {error}.", code="bad_answer") from None
    why = " ".join(raw.why.split())
    path = unquote(raw.path)
    source = trees.new.get(path)
    place = Place(path, raw.line, raw.line + raw.quote.strip().count("\n"))
    is_quoted = (
        source is not None
        and bool(raw.quote.strip())
        and 1 <= place.first <= max(source.count, 1)
        and quote_stands(raw.quote, source, place.first, place.last)
    )
    if source is None or not is_quoted:
        return Ruling(raw.result, why)
    return Ruling(raw.result, why, raw.quote.strip(), make_anchor(place, source), place)


def settles(ruling: Ruling | None) -> bool:
    """Whether a verifier says that nothing is to be done any more."""
    return ruling is not None and ruling.result in SETTLING


__all__ = ["Result", "Ruling", "read_ruling", "ruled_paths", "settles"]
