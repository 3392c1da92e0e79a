"""`driftpin mcp`: a chat's pin as an MCP server on the standard streams.

Nothing but the protocol is written to the standard output; words for people go to the other one.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Final, TextIO

from driftpin import limits
from driftpin.cli.exits import say
from driftpin.cli.options import Reach
from driftpin.cli.session import Session, in_session

END: Final = b""


def serve(reach: Reach, name: str) -> None:
    """Serve until the standard input ends; refusals of the chat itself end the command at once."""
    answers = sys.stdout
    # Whatever else is written would break the protocol.
    sys.stdout = sys.stderr
    try:
        in_session(reach, lambda session: _serve(session, name, answers))
    finally:
        sys.stdout = answers


async def _serve(session: Session, name: str, answers: TextIO) -> None:
    chat = await session.get_chat(name)
    say(f"serving the pin of {chat.title or chat.id!r} until the input ends")

    def write(line: str) -> None:
        answers.write(f"{line}\n")
        answers.flush()

    await session.client.relay_pin(chat.id, _lines(), write, say)


async def _lines() -> AsyncIterator[bytes]:
    """Give the lines of the standard input.

    They are read on a thread that nobody waits for: a read of a terminal or a file cannot be ended.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes] = asyncio.Queue(limits.GATEWAY_LINES_AHEAD_MAX)

    def read() -> None:
        line = None
        # Whoever listened may be gone, and its loop closed.
        with suppress(RuntimeError, CancelledError):
            while line != END:
                line = sys.stdin.buffer.readline(limits.GATEWAY_MESSAGE_BYTES_MAX + 1)
                asyncio.run_coroutine_threadsafe(queue.put(line), loop).result()

    threading.Thread(target=read, name="standard input", daemon=True).start()
    while (line := await queue.get()) != END:
        yield line


__all__ = ["serve"]
