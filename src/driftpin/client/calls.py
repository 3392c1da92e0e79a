"""What every group of calls shares: the transport, and reading all pages of a list."""

from typing import Any, TypeVar

from pydantic import BaseModel

from driftpin import limits
from driftpin.client.transport import Transport
from driftpin.wire.api import PageShape

Item = TypeVar("Item", bound=BaseModel)


class Calls:
    """A group of calls on one transport."""

    def __init__(self, transport: Transport) -> None:
        """Call through `transport`."""
        self._transport = transport

    async def _all(self, path: str, item: type[Item]) -> tuple[Item, ...]:
        """Return every item of a list, whatever the number of pages."""
        items: list[Item] = []
        cursor: str | None = None
        while True:
            query = {"cursor": cursor, "limit": limits.API_PAGE_ITEMS_MAX}
            page: Any = await self._transport.call("GET", path, PageShape[item], query=query)  # type: ignore[valid-type] # the shape is chosen at run time
            items += page.items
            cursor = page.next
            if cursor is None:
                return tuple(items)


__all__ = ["Calls"]
