"""Long lists in pages. A cursor is the key of the last item, so a pin that moves skips nothing."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from driftpin import limits

Item = TypeVar("Item")


class PageCursors(Protocol):
    """Seals the cursors of one deployment."""

    def write_page(self, purpose: str, after: str | None) -> str | None:
        """Return the cursor of the next page, None when there is none."""

    def read_page(self, purpose: str, cursor: str | None) -> str | None:
        """Return what the list goes on behind; raises Malformed and Gone."""


def page_of(
    items: Sequence[Item],
    key_of: Callable[[Item], str],
    cursors: PageCursors,
    purpose: str,
    *,
    cursor: str | None,
    items_max: int,
) -> tuple[list[Item], str | None]:
    """Return the page that `cursor` asks for, ordered by key, and the cursor of the next one."""
    after = cursors.read_page(purpose, cursor)

    def place_of(item: Item) -> str:
        return _short(key_of(item))

    left = sorted((item for item in items if after is None or place_of(item) > after), key=place_of)
    page = left[:items_max]
    last = place_of(page[-1]) if len(left) > items_max else None
    return page, cursors.write_page(purpose, last)


def _short(key: str) -> str:
    """Return a key that fits into a cursor, however long its source is; no two become one."""
    longest = limits.GATEWAY_CURSOR_CHARACTERS_MAX
    if len(key) <= longest:
        return key
    mark = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: longest - len(mark)]}{mark}"


__all__ = ["Item", "PageCursors", "page_of"]
