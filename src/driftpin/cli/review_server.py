"""The server that a review runs on: the one that is known here, or one of its own meanwhile."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from driftpin.cli.exits import say
from driftpin.cli.options import Reach
from driftpin.cli.remembered import Remembered
from driftpin.cli.target import get_target
from driftpin.client import Client
from driftpin.errors import Unauthenticated, Unreachable
from driftpin.settings import load_settings, state_directory


@asynccontextmanager
async def reviewing_client(reach: Reach) -> AsyncIterator[Client]:
    """Give a signed-in client. A server that was named is never replaced by another one."""
    settings = load_settings(reach.flags()).settings
    remembered = Remembered(state_directory(settings))
    is_named = settings.url is not None or remembered.find_login() is not None
    client = await _known_client(reach, must_answer=is_named)
    if client is not None:
        async with client:
            yield client
        return
    lock = remembered.try_to_serve()
    if lock is None:
        raise Unreachable("Another process starts a server here just now; try again.")
    try:
        async with _own_client(reach, remembered) as own:
            yield own
    finally:
        os.close(lock)


async def _known_client(reach: Reach, *, must_answer: bool) -> Client | None:
    try:
        target = get_target(reach)
        async with Client(target.url, target.token) as probe:
            await probe.get_me()
    except (Unreachable, Unauthenticated):
        if must_answer:
            raise
        return None
    return Client(target.url, target.token)


@asynccontextmanager
async def _own_client(reach: Reach, remembered: Remembered) -> AsyncIterator[Client]:
    from driftpin.cli.serving import start_server

    say("No server runs here; one is started for this review.")
    settings = load_settings({**reach.flags(), "port": 0}).settings
    async with start_server(settings, remembered) as (known, serving):
        async with Client(known.url, known.token) as client:
            yield client
        # Whoever stopped the server meant the command.
        if serving.done():
            raise asyncio.CancelledError


__all__ = ["reviewing_client"]
