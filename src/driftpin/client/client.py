"""The API as a user calls it: one method per route, shapes in, shapes out.

Every method raises the refusal that the server raised, and Unreachable when no server answered.
Methods that list return everything, page by page, except `list_chats`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import httpx2

from driftpin.client.chats import CHATS, ChatCalls
from driftpin.client.pin_relay import PinRelay
from driftpin.client.reviews import ReviewCalls
from driftpin.client.streams import Streamed, watch
from driftpin.client.transport import Transport
from driftpin.client.workspaces import V1, WorkspaceCalls
from driftpin.wire.api import EventShape


class Client(WorkspaceCalls, ChatCalls, ReviewCalls):
    """Calls with a user's token; use it in `async with`."""

    def __init__(
        self, url: str, token: str | None, *, carrier: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        """Talk to the server at `url`; `carrier` stands in for sockets."""
        super().__init__(Transport(url, token, carrier))

    async def __aenter__(self) -> Self:
        """Open nothing yet; connections are opened by calls."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection."""
        await self._transport.close()

    @asynccontextmanager
    async def watch_events(
        self,
        *,
        workspace_id: str | None = None,
        chat_id: str | None = None,
        cursor: str | None = None,
    ) -> AsyncIterator[AsyncIterator[tuple[EventShape, str | None]]]:
        """Give events, each with the cursor behind it, from now on or behind `cursor`.

        The stream is connected when this is entered, and connects again by itself. It ends only
        with an error: Gone (`resync_required`) says to read everything again.
        """
        query = {"workspace": workspace_id, "chat": chat_id}
        async with watch(self._transport, f"{V1}/events", query=query, cursor=cursor) as streamed:
            yield _events(streamed)

    @asynccontextmanager
    async def watch_chat(
        self, chat_id: str, *, turn: int | None = None, cursor: str | None = None
    ) -> AsyncIterator[AsyncIterator[Streamed]]:
        """Give what a chat streams: `turn`, `delta` and `reset` (shapes of `wire.transfer`)."""
        path, query = f"{CHATS}/{chat_id}/stream", {"turn": turn}
        async with watch(self._transport, path, query=query, cursor=cursor) as streamed:
            yield streamed

    async def relay_pin(
        self,
        chat_id: str,
        lines: AsyncIterator[bytes],
        write: Callable[[str], None],
        complain: Callable[[str], None],
    ) -> None:
        """Carry an MCP client's `lines` to the chat's pin, and each answer to `write`.

        Ends with the lines. What goes wrong is an answer of the protocol, or told to `complain`.
        """
        relay = PinRelay(self._transport, f"/mcp/chats/{chat_id}", write, complain)
        await relay.run(lines)


async def _events(
    streamed: AsyncIterator[Streamed],
) -> AsyncIterator[tuple[EventShape, str | None]]:
    async for event in streamed:
        yield EventShape.model_validate_json(event.text), event.cursor


__all__ = ["Client"]
