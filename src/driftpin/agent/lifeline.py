"""What ends an agent from outside: a signal, or the end of the pipe that its parent holds."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on SIGTERM and SIGINT for as long as this is entered; main thread only."""
    loop = asyncio.get_running_loop()
    for ending in ENDING_SIGNALS:
        loop.add_signal_handler(ending, stop)
    try:
        yield
    finally:
        for ending in ENDING_SIGNALS:
            loop.remove_signal_handler(ending)


async def wait_for_end_of(pipe: IO[Any]) -> None:
    """Return when the other end of the pipe is closed; what comes through it is thrown away."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    transport, _ = await loop.connect_read_pipe(lambda: _Lifeline(ended), pipe)
    try:
        await ended.wait()
    finally:
        transport.close()


class _Lifeline(asyncio.Protocol):
    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def eof_received(self) -> None:
        self._ended.set()

    def connection_lost(self, _reason: Exception | None) -> None:
        self._ended.set()


__all__ = ["stopped_by_signals", "wait_for_end_of"]
