"""What a reviewer hands in by calls: claims, each checked at once, and the word that it is done.

From what was accepted the same document is made that a reviewer may write as text, so nothing
behind needs to know by which way an answer came.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from driftpin import review_limits
from driftpin.errors import DriftpinError, Malformed
from driftpin.identity import Digest
from driftpin.review.claims import RawClaim
from driftpin.review.inputs import Read
from driftpin.review.reading.tools import READING_TOOLS, digest_of_tools, make_tool

SUBMIT_CLAIM: Final = "submit_claim"
COMPLETE: Final = "complete"
SUBMITTING: Final = frozenset({SUBMIT_CLAIM, COMPLETE})
# Rises when one of them answers the same call in another way.
VERSION: Final = 1
# What is kept of arguments that are too long to be read.
_KEPT_CHARACTERS: Final = 200


class Completion(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What a reviewer says it did, and what the scout alone is asked for."""

    files_read: Annotated[tuple[str, ...], Meta(description="The files that you read.")] = ()
    probes: Annotated[tuple[str, ...], Meta(description="What you tried, in a few words.")] = ()
    roles: Annotated[tuple[str, ...], Meta(description="The scout: more roles to ask.")] = ()
    good: Annotated[tuple[str, ...], Meta(description="What is good, in sentences.")] = ()
    not_reviewable: Annotated[str, Meta(description="The scout: why nobody could review it.")] = ""


_Arguments = TypeVar("_Arguments", RawClaim, Completion)


def _schema_of(kind: type[msgspec.Struct]) -> dict[str, object]:
    """Return the fields of a kind as a JSON Schema that stands for itself.

    It lets further fields through to here, since the server could not say which one is too much.
    """
    _, found = msgspec.json.schema_components((kind,), ref_template="{name}")
    parts = msgspec.json.decode(msgspec.json.encode(found))
    whole = parts[kind.__name__]
    properties = {name: _inlined(each, parts) for name, each in whole["properties"].items()}
    return {"type": "object", "properties": properties, "required": whole["required"]}


def _inlined(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, object]:
    own = dict(schema)
    name = own.pop("$ref", None)
    return own if name is None else {"type": "string", "enum": parts[name]["enum"], **own}


SUBMITTING_TOOLS: Final = (
    make_tool(
        COMPLETE,
        "Say that your review is done, behind all claims; nothing is taken after it.",
        _schema_of(Completion),
    ),
    make_tool(
        SUBMIT_CLAIM,
        "Claim one defect, always with severity, category and statement. It is checked at once, "
        "and accepted under a number or refused with what to mend.",
        _schema_of(RawClaim),
    ),
)
REVIEW_TOOLS: Final = tuple(sorted((*READING_TOOLS, *SUBMITTING_TOOLS), key=lambda tool: tool.name))


def submission_digest() -> Digest:
    """Return the name of these tools as they are now: it stands in the manifest of a round."""
    return digest_of_tools(SUBMITTING_TOOLS, VERSION)


class Submission:
    """What one reviewer has handed in so far."""

    def __init__(self, check: Callable[[str], str]) -> None:
        """Begin with nothing; `check` returns what is wrong with a document that has one claim."""
        self._check = check
        self._claims: list[RawClaim] = []
        self._completion: Completion | None = None
        self._calls = 0
        self._bytes = 0
        self._has_refused = False

    @property
    def is_begun(self) -> bool:
        """Whether anything was handed in, refused or not."""
        return self._calls > 0

    @property
    def is_over(self) -> bool:
        """Whether the reviewer went on although it was told to complete."""
        most = review_limits.REVIEW_SUBMISSIONS_MAX + review_limits.REVIEW_READ_REFUSALS_MAX
        return self._calls > most

    @property
    def document(self) -> str:
        """The whole answer; nothing before it was completed."""
        return "" if self._completion is None else _document(self._claims, self._completion)

    def begin_request(self, *, is_refused: bool) -> None:
        """Take what comes now as handed in at once; `is_refused` if somebody refused some of it."""
        self._has_refused = is_refused
        self._calls += is_refused

    def answer(self, tool: str, arguments: str) -> Read:
        """Return what a call gives; a refusal is a result, and says what to do."""
        self._calls += 1
        try:
            told = self._answer(tool, arguments)
        except DriftpinError as refusal:
            self._has_refused = True
            is_long = len(arguments) > review_limits.REVIEW_SUBMISSION_BYTES_MAX
            kept = arguments[:_KEPT_CHARACTERS] if is_long else arguments
            return Read(tool, kept, refusal.message, is_error=True)
        return Read(tool, arguments, told)

    def _answer(self, tool: str, arguments: str) -> str:
        if self._completion is not None:
            raise refused("You have completed: nothing is taken any more. End with a word.")
        if tool == COMPLETE:
            return self._complete(_read(Completion, arguments))
        return self._submit(_read(RawClaim, arguments), len(arguments.encode()))

    def _submit(self, claim: RawClaim, size_bytes: int) -> str:
        if claim in self._claims:
            return f"This is claim {self._claims.index(claim) + 1} already."
        self._refuse_more(self._bytes + size_bytes)
        if wrong := self._check(_document([claim], Completion())):
            raise refused(f"Refused: {wrong}. Mend it, and submit it again.")
        self._claims.append(claim)
        self._bytes += size_bytes
        return f"Accepted as claim {len(self._claims)}."

    def _refuse_more(self, bytes_then: int) -> None:
        room = review_limits.REVIEW_ANSWER_BYTES_MAX - review_limits.REVIEW_SUBMISSION_BYTES_MAX
        is_enough = (
            len(self._claims) >= review_limits.REVIEW_CLAIMS_PER_REVIEWER_MAX
            or self._calls > review_limits.REVIEW_SUBMISSIONS_MAX
            or bytes_then > room
        )
        if is_enough:
            raise refused("That is more than one reviewer may claim. Call `complete` now.")

    def _complete(self, completion: Completion) -> str:
        if self._has_refused:
            raise refused(
                "A claim of the same request was refused. Mend it or let it go, then call"
                " `complete` again."
            )
        self._completion = completion
        return f"Completed with {len(self._claims)} claims. End with a word."


def _read(kind: type[_Arguments], arguments: str) -> _Arguments:
    content = arguments.encode("utf-8", "replace")
    most = review_limits.REVIEW_SUBMISSION_BYTES_MAX
    if len(content) > most:
        raise refused(f"The arguments are longer than {most} bytes; say it in fewer words.")
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise refused(f"The arguments are not as the tool's schema says: {error}.") from None


def _document(claims: list[RawClaim], completion: Completion) -> str:
    written = msgspec.to_builtins(completion)
    complete = {name: written.pop(name) for name in ("files_read", "probes") if name in written}
    document = {"claims": claims, "complete": complete, **written}
    return msgspec.json.encode(document).decode()


def refused(why: str) -> Malformed:
    """Return the refusal of what was handed in."""
    return Malformed(why, code="bad_submission")


__all__ = [
    "COMPLETE",
    "REVIEW_TOOLS",
    "SUBMITTING",
    "SUBMITTING_TOOLS",
    "SUBMIT_CLAIM",
    "Completion",
    "Submission",
    "refused",
    "submission_digest",
]
