"""The base of every shape, and the small texts that appear in many of them."""

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer
from pydantic_core import PydanticCustomError

from driftpin.identity import Digest, is_digest, is_id

CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Shape(BaseModel):
    """A JSON object with exactly these fields; immutable, and no value is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ReplyShape(BaseModel):
    """A JSON object that a server sends. A client ignores fields that it does not know yet."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _checked_digest(text: str) -> Digest:
    if not is_digest(text):
        raise PydanticCustomError("bad_hash", "expected sha256: and 64 lower-case hex digits")
    return Digest(text)


def _checked_id(text: str) -> str:
    if not is_id(text):
        raise PydanticCustomError("bad_id", "expected a lower-case UUID")
    return text


def _checked_line(text: str) -> str:
    if CONTROL_CHARACTER.search(text) is not None:
        raise PydanticCustomError("control_char", "expected a text without control characters")
    return text


def written_instant(instant: datetime) -> str:
    """Return an instant in UTC as RFC 3339 writes it."""
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


# Marks a text of one line: a name, a title, a label. Stands behind the limit of its length.
ONE_LINE = AfterValidator(_checked_line)
SeverityText = Literal["cosmetic", "notation", "additive", "behavioural", "risky"]
DigestText = Annotated[str, AfterValidator(_checked_digest)]
IdText = Annotated[str, AfterValidator(_checked_id)]
# RFC 3339 in UTC.
InstantText = Annotated[datetime, PlainSerializer(written_instant, return_type=str)]

__all__ = [
    "ONE_LINE",
    "DigestText",
    "IdText",
    "InstantText",
    "ReplyShape",
    "SeverityText",
    "Shape",
    "written_instant",
]
