"""A reviewer's answer, read and checked by code: what breaks a rule goes back, never through.

An answer is one JSON document, made of what was handed in by calls or anywhere in a text:

    {"claims": [{"severity": "P2", "path": "a.py", "line": 7, ...}],
     "complete": {"files_read": ["a.py"], "probes": ["..."]}}

One without `complete` is no answer: its reviewer has failed, which never reads as "clean".
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from driftpin import review_limits
from driftpin.errors import Malformed
from driftpin.review.anchors import SourceText, quote_stands, side_text
from driftpin.review.diff import unquote
from driftpin.review.finding import NEEDS_TRIGGER, Claim, Place, Severity, Side

_OPENINGS_MAX: Final = 200


class RawClaim(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A claim as a reviewer writes it: the one place where its fields are known."""

    severity: Annotated[Severity, Meta(description="How much it matters, by its consequence.")]
    category: Annotated[str, Meta(description="The kind of defect, in a word or two.")]
    statement: Annotated[str, Meta(description="What is wrong, in one sentence.")]
    path: Annotated[str, Meta(description="The file, as the map of the change shows it.")] = ""
    line: Annotated[int, Meta(description="The first line, counted from 1.")] = 0
    last_line: Annotated[int, Meta(description="The last line; the first if none.")] = 0
    side: Annotated[Side, Meta(description="`new`: the head; `old`: removed code.")] = Side.NEW
    symbol: Annotated[str, Meta(description="The function or class around the place.")] = ""
    quote: Annotated[str, Meta(description="Code at that place, as it stands there.")] = ""
    trigger: Annotated[str, Meta(description="Input, state or timing that sets it off.")] = ""
    outcome: Annotated[str, Meta(description="What happens then.")] = ""
    evidence: Annotated[str, Meta(description="Why the code that is quoted does that.")] = ""
    fix: Annotated[str, Meta(description="What to do about it.")] = ""
    proof: Annotated[str, Meta(description="How to show that it is fixed.")] = ""
    confidence: Annotated[float, Meta(description="From 0 to 1.")] = 0.5
    cites: Annotated[str, Meta(description="The earlier finding whose advice it is against.")] = ""


class _Complete(msgspec.Struct):
    """What a reviewer says it did."""

    files_read: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()


class _RawAnswer(msgspec.Struct):
    """The document; claims are read one by one, so that one broken one does not hide others."""

    complete: _Complete
    claims: tuple[dict[str, object], ...] = ()
    roles: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    not_reviewable: str = ""


@dataclass(frozen=True, slots=True)
class BadClaim:
    """A claim that broke a rule, by its number, with what is to be mended."""

    number: int
    error: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reviewer said: claims that hold together, and those that do not.

    What it says that it read is not kept: `reading_record` tells what it was shown.
    `not_reviewable` is why nobody could review the change; it counts from the scout alone.
    """

    claims: tuple[Claim, ...]
    bad: tuple[BadClaim, ...]
    roles: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    not_reviewable: str = ""


@dataclass(frozen=True, slots=True)
class Trees:
    """The texts of both versions, by path, as far as they were looked at."""

    old: Mapping[str, SourceText] = field(default_factory=dict)
    new: Mapping[str, SourceText] = field(default_factory=dict)


def find_document(text: str) -> dict[str, object]:
    """Return the first JSON object in a text that has `complete` or `result`.

    Raises Malformed `bad_answer` when there is none.
    """
    found = next(_documents(text), None)
    if found is None:
        raise Malformed('The answer has no JSON object with "complete".', code="bad_answer")
    return found


def refuse_two_documents(text: str) -> None:
    """Raise Malformed `bad_answer` where another document follows that says something else.

    One of them may be a quotation of what was read, and nobody can tell which one is the answer.
    """
    documents = list(_documents(text))
    if any(each != documents[0] for each in documents):
        raise Malformed("The answer has more than one JSON object; send one.", code="bad_answer")


def _documents(text: str) -> Iterator[dict[str, object]]:
    decoder = json.JSONDecoder()
    position = text.find("{")
    for _ in range(_OPENINGS_MAX):
        if position < 0:
            return
        try:
            found, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            found, end = None, position + 1
        if isinstance(found, dict) and ("complete" in found or "result" in found):
            yield found
        else:
            end = position + 1
        position = text.find("{", end)


def read_answer(text: str, role: str, trees: Trees) -> Answer:
    """Return what a reviewer said; Malformed `bad_answer` when it is no answer at all."""
    try:
        raw = msgspec.convert(find_document(text), _RawAnswer)
    except msgspec.ValidationError as error:
        raise Malformed(f"The answer is not as it should be: {error}.", code="bad_answer") from None
    claims: list[Claim] = []
    bad: list[BadClaim] = []
    for number, written in enumerate(raw.claims, start=1):
        read = _read_claim(written, role, trees)
        if number > review_limits.REVIEW_CLAIMS_PER_REVIEWER_MAX:
            bad.append(BadClaim(number, "this is more claims than one reviewer may make"))
        elif isinstance(read, Claim):
            claims.append(read)
        else:
            bad.append(BadClaim(number, read))
    why = " ".join(raw.not_reviewable.split())[: review_limits.REVIEW_TEXT_CHARACTERS_MAX]
    return Answer(tuple(claims), tuple(bad), raw.roles, raw.good, why)


def claimed_paths(text: str) -> tuple[str, ...]:
    """Return every path that the claims of an answer name, whatever else is wrong with it."""
    try:
        claims = find_document(text).get("claims")
    except Malformed:
        return ()
    listed = claims if isinstance(claims, list) else []
    paths = {each.get("path") for each in listed if isinstance(each, dict)}
    return tuple(sorted(unquote(path) for path in paths if isinstance(path, str) and path))


def _read_claim(written: Mapping[str, object], role: str, trees: Trees) -> Claim | str:
    try:
        raw = msgspec.convert(written, RawClaim)
    except msgspec.ValidationError as error:
        return str(error)
    claim = _claim(raw, role)
    return next(_errors(claim, trees), claim)


def _claim(raw: RawClaim, role: str) -> Claim:
    return Claim(
        role=role,
        severity=raw.severity,
        place=Place(unquote(raw.path), raw.line, max(raw.last_line, raw.line), raw.side),
        category=raw.category.strip(),
        statement=" ".join(raw.statement.split()),
        symbol=raw.symbol,
        quote=raw.quote,
        evidence=raw.evidence.strip(),
        trigger=raw.trigger.strip(),
        outcome=raw.outcome.strip(),
        fix=raw.fix.strip(),
        proof=raw.proof.strip(),
        confidence=min(max(raw.confidence, 0.0), 1.0),
        cites=raw.cites,
    )


def _texts(claim: Claim) -> tuple[str, ...]:
    """Return every text of a claim: whoever publishes it relies on their length."""
    told = (claim.statement, claim.evidence, claim.quote, claim.trigger, claim.outcome)
    return (*told, claim.fix, claim.proof, claim.category, claim.symbol, claim.cites)


def _errors(claim: Claim, trees: Trees) -> Iterator[str]:
    """Yield what is wrong with a claim: the place first, then the quotation, then the words."""
    place = claim.place
    longest = max(map(len, _texts(claim)))
    if longest > review_limits.REVIEW_TEXT_CHARACTERS_MAX:
        yield f"a text is longer than {review_limits.REVIEW_TEXT_CHARACTERS_MAX} characters"
    if not claim.statement or not claim.category:
        yield "a claim needs a statement and a category"
    text = side_text(place, trees.old, trees.new)
    if text is None:
        yield f"there is no file {place.path!r} on the {place.side.value} side"
        return
    if not 1 <= place.first <= place.last <= max(text.count, 1):
        yield f"{place.path!r} has {text.count} lines; {place.first} to {place.last} are not there"
    if claim.severity is not Severity.NOTE and not claim.quote.strip():
        yield "quote the code that you mean, in `quote`"
    if claim.quote and not quote_stands(claim.quote, text, place.first, place.last):
        yield f"the quotation does not stand near {place.text!r}"
    if claim.severity in NEEDS_TRIGGER and not (claim.trigger and claim.outcome):
        yield f"{claim.severity.value} needs a trigger and an outcome"
    if claim.severity not in {Severity.NIT, Severity.NOTE} and not claim.evidence:
        yield f"{claim.severity.value} needs evidence"


__all__ = [
    "Answer",
    "BadClaim",
    "RawClaim",
    "Trees",
    "claimed_paths",
    "find_document",
    "read_answer",
    "refuse_two_documents",
]
