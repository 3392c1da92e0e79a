"""What a forge refuses in a request, and where in a diff a comment may stand."""

from collections.abc import Iterator
from typing import Any

from driftpin.review.diff import Line, parse_patch

BODY_CHARACTERS_MAX = 65_536
Json = dict[str, Any]


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, errors: list[Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"message": message, "errors": errors or []}


def only(body: Json, names: set[str]) -> None:
    if unknown := set(body) - names:
        raise Refused(422, "Invalid request.", [f"{sorted(unknown)} are not permitted"])


def check_body(body: Json, *, is_optional: bool = False) -> None:
    text = body.get("body", "")
    if not isinstance(text, str) or not (text.strip() or is_optional):
        raise Refused(422, "Validation Failed", ["body can't be blank"])
    if len(text) > BODY_CHARACTERS_MAX:
        raise Refused(422, "Validation Failed", ["body is too long (maximum is 65536 characters)"])


def hunks(files: list[Json], path: str) -> Iterator[tuple[Line, ...]]:
    for each in files:
        if each["filename"] == path and "patch" in each:
            (change,) = parse_patch(f"diff --git a/f b/f\n{each['patch']}")
            yield from change.hunks


def shown_at(line: Line, side: str) -> int:
    """The number of a line on a side: deletions are left, everything else is right."""
    return (line.old if line.is_removed else 0) if side == "LEFT" else line.new
