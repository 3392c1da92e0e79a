"""Word of how far a call has come, given on to the client that wants to hear it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.context import ServerRequestContext

from driftpin import limits
from driftpin.chat.tools import OnProgress, Progress

TOKEN = "progress_token"  # noqa: S105 the protocol's name for it


@asynccontextmanager
async def following(context: ServerRequestContext[Any, Any]) -> AsyncIterator[OnProgress | None]:
    """Give what takes progress of the request's call; None if its client does not want to hear.

    Everything that was taken is sent before this is left, so before the call is answered.
    """
    if context.meta is None or context.meta.get(TOKEN) is None:
        yield None
        return
    waiting: asyncio.Queue[Progress | None] = asyncio.Queue(limits.GATEWAY_PROGRESS_WAITING_MAX)

    def take(progress: Progress) -> None:
        # Of a client that reads slowly the newest is not worth more than what it has.
        if waiting.qsize() < limits.GATEWAY_PROGRESS_WAITING_MAX - 1:
            waiting.put_nowait(progress)

    async def send() -> None:
        while (each := await waiting.get()) is not None:
            await context.session.report_progress(each.done, each.total, each.text)

    sending = asyncio.create_task(send())
    try:
        yield take
        waiting.put_nowait(None)
        await sending
    finally:
        sending.cancel()


__all__ = ["following"]
