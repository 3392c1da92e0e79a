"""Markers: the first line of everything that is posted says what it is, for whoever posts next.

A marker counts only in what the publisher itself wrote (`api.Author`), and only as the first line.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType

from driftpin.identity import digest_of
from driftpin.wire.reviews import ReviewDocument

ReviewKey = NewType("ReviewKey", str)
_ID: Final = r"(?:CRF|NOTE)-[1-9][0-9]{0,8}"
_MARKER: Final = re.compile(
    r"<!-- driftpin-review v1 (?P<key>[0-9a-f]{16}) (?P<kind>status|round|finding|answer)"
    r" round=(?P<round>[0-9]{1,7})(?: manifest=(?P<manifest>[0-9a-f]{12}))?"
    rf"(?: about=(?P<about>{_ID}(?:,{_ID})*))?(?: state=(?P<state>[a-z]+))? -->"
)


class Kind(StrEnum):
    """What was posted."""

    STATUS = "status"
    ROUND = "round"
    FINDING = "finding"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Marker:
    """What something posted is about. `about` are the findings that are told in it."""

    key: ReviewKey
    kind: Kind
    round: int = 0
    manifest: str = ""
    about: tuple[str, ...] = ()
    state: str = ""

    @property
    def line(self) -> str:
        """The marker as it is written; Markdown shows nothing of it."""
        parts = [f"<!-- driftpin-review v1 {self.key} {self.kind.value} round={self.round}"]
        parts += [f"manifest={self.manifest}"] if self.manifest else []
        parts += [f"about={','.join(self.about)}"] if self.about else []
        parts += [f"state={self.state}"] if self.state else []
        return " ".join([*parts, "-->"])


def key_of(document: ReviewDocument) -> ReviewKey:
    """Return what names a review in its markers."""
    return key_of_target(document.target)


def key_of_target(target: str) -> ReviewKey:
    """Return what names the review of a target in its markers."""
    return ReviewKey(digest_of(target.encode()).removeprefix("sha256:")[:16])


def manifest_of(document: ReviewDocument) -> str:
    """Return the beginning of the manifest's digest: which run of the round it was."""
    return document.manifest.removeprefix("sha256:")[:12]


def find_marker(body: str) -> Marker | None:
    """Return the marker of something posted, None where its first line is none."""
    found = _MARKER.fullmatch(body.split("\n", 1)[0].rstrip("\r"))
    if found is None or (found["kind"] == Kind.FINDING and not found["about"]):
        return None
    return Marker(
        ReviewKey(found["key"]),
        Kind(found["kind"]),
        int(found["round"]),
        found["manifest"] or "",
        tuple((found["about"] or "").split(",")) if found["about"] else (),
        found["state"] or "",
    )


__all__ = ["Kind", "Marker", "ReviewKey", "find_marker", "key_of", "key_of_target", "manifest_of"]
