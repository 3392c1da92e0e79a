"""Cancels a call at the k-th suspension of anything that it set going."""

import asyncio
import types
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Cancellation:
    """Counts the suspensions of a call and of its tasks down, and cancels the call at zero."""

    def __init__(self, suspension: int) -> None:
        self._left = suspension
        self._victim: asyncio.Task[Any] | None = None

    async def run(self, call: Awaitable[Answer]) -> Answer:
        """Await the call in a task; raises CancelledError, unless it had fewer suspensions."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(self._make_task)
        try:
            self._victim = asyncio.ensure_future(_awaited(call))
            answer: Answer = await self._victim
            return answer
        finally:
            loop.set_task_factory(None)

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, call: Any, **options: Any
    ) -> asyncio.Task[Any]:
        return asyncio.Task(self._counted(call), loop=loop, **options)

    async def _counted(self, call: Coroutine[Any, Any, Answer]) -> Answer:
        return await self._steps(call)

    @types.coroutine
    def _steps(self, call: Coroutine[Any, Any, Answer]) -> Generator[Any, Any, Answer]:
        error: BaseException | None = None
        while True:
            try:
                waited = call.send(None) if error is None else call.throw(error)
            except StopIteration as done:
                answer: Answer = done.value
                return answer
            self._left -= 1
            if self._left == 0 and self._victim is not None:
                self._victim.cancel()
            try:
                yield waited
            except BaseException as raised:  # noqa: BLE001 whatever it is goes on into the call
                error = raised
            else:
                error = None


async def _awaited(call: Awaitable[Answer]) -> Answer:
    return await call


__all__ = ["Cancellation"]
