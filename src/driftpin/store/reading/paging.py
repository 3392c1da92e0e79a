"""Pages by key: a cursor names the last row that was shown, so nothing is skipped or repeated."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime

from driftpin.errors import Malformed
from driftpin.identity import is_id
from driftpin.store.values import Item, Page


def page_of(items: Sequence[Item], limit: int, cursor_of: Callable[[Item], str]) -> Page[Item]:
    """Return the first `limit` items; one item more than that says that there is a next page."""
    shown = tuple(items[:limit])
    return Page(shown, cursor_of(shown[-1]) if shown and len(items) > limit else None)


def write_cursor(instant: datetime, row_id: str) -> str:
    """Return the cursor behind the row with this instant and id."""
    return json.dumps([instant.isoformat(), row_id])


def read_cursor(text: str) -> tuple[datetime, str]:
    """Return what `write_cursor` wrote; anything else is Malformed (`bad_cursor`)."""
    try:
        instant, row_id = json.loads(text)
        parsed = datetime.fromisoformat(instant)
    except (ValueError, TypeError) as failure:
        raise bad_cursor() from failure
    if parsed.tzinfo is None or not isinstance(row_id, str):
        raise bad_cursor()
    return parsed, read_id_cursor(row_id)


def read_id_cursor(text: str) -> str:
    """Return the id that a cursor consists of."""
    if not is_id(text):
        raise bad_cursor()
    return text


def read_number_cursor(text: str) -> int:
    """Return the number that a cursor consists of."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(2**53))):
        raise bad_cursor()
    return int(text)


def bad_cursor() -> Malformed:
    """Return the refusal of a cursor that did not come from here."""
    return Malformed("This cursor was not issued here; begin at the first page.", code="bad_cursor")


__all__ = [
    "bad_cursor",
    "page_of",
    "read_cursor",
    "read_id_cursor",
    "read_number_cursor",
    "write_cursor",
]
