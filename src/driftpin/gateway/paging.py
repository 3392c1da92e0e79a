"""Long lists in pages. A cursor is the key of the last item, so a pin that moves skips nothing."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

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
    left = sorted((item for item in items if after is None or key_of(item) > after), key=key_of)
    page = left[:items_max]
    last = key_of(page[-1]) if len(left) > items_max else None
    return page, cursors.write_page(purpose, last)


__all__ = ["Item", "PageCursors", "page_of"]
