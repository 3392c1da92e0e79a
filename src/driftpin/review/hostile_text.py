"""Text in a change that speaks to whoever reviews it: found by code, reported, never followed."""

import re
from collections.abc import Iterator
from typing import Final

from driftpin.review.finding import Claim, Place, Severity
from driftpin.review.inputs import RoundInputs

ROLE: Final = "fence"
CATEGORY: Final = "addressed-to-reviewer"
_LINE_CHARACTERS_MAX: Final = 2_000
_ADDRESSED: Final = re.compile(
    r"(ignore|disregard|forget) (all |any |the |your )*(previous|prior|above|earlier) "
    r"(instruction|prompt|rule|message)"
    r"|(dear|note to|attention|hey|as an?|you are an?) (the |ai |automated |code )*"
    r"(reviewer|review bot|language model|ai assistant|llm)"
    r"|(reviewers?|ai|llm|assistant|model)[:,]? (must|should|please|shall) "
    r"(approve|ignore|skip|not report|pass)"
    r"|<\|?(im_start|im_end|system)\|?>",
    re.IGNORECASE,
)


def claims_about_text(inputs: RoundInputs) -> Iterator[Claim]:
    """Yield a claim for every added line, file name or message that addresses the reviewer."""
    for change in inputs.changes:
        if change.path not in inputs.trees.new:
            continue
        if is_addressed(change.path):
            yield _claim(Place(change.path, 1, 1), change.path, "the name of this file")
        for line in change.added:
            if is_addressed(line.text):
                yield _claim(Place(change.path, line.new, line.new), line.text, "this line")


def addressed_messages(inputs: RoundInputs) -> tuple[str, ...]:
    """Return the messages of commits that address the reviewer; they have no place in a file."""
    return tuple(message for message in inputs.messages if is_addressed(message))


def is_addressed(text: str) -> bool:
    """Whether a text speaks to a reviewer."""
    return _ADDRESSED.search(text[:_LINE_CHARACTERS_MAX]) is not None


def _claim(place: Place, quote: str, what: str) -> Claim:
    return Claim(
        role=ROLE,
        severity=Severity.P3,
        place=place,
        category=CATEGORY,
        statement=f"In {place.path}, {what} addresses whoever reviews the change.",
        quote=quote.strip()[:200],
        evidence="Text of a change is data; it was shown to no reviewer as an instruction.",
        trigger="a model or a person reads it as an instruction",
        outcome="the review says what the change wants it to say",
        fix="Remove it, or say why it has to be there.",
        proof="The line is gone.",
        confidence=0.9,
    )


__all__ = ["CATEGORY", "ROLE", "addressed_messages", "claims_about_text", "is_addressed"]
