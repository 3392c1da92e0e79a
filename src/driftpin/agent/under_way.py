"""Calls that are under way, by the name that whoever asked gave them, so that one can be ended."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from driftpin.errors import Conflict

Answer = TypeVar("Answer")


class UnderWay:
    """The calls of one agent."""

    def __init__(self) -> None:
        """Begin with none."""
        self._calls: dict[str, asyncio.Task[Any]] = {}
        self._ended: set[asyncio.Task[Any]] = set()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._calls)

    async def run(self, name: str, calling: Coroutine[Any, Any, Answer]) -> Answer:
        """Return what a call gives; raises Conflict (`call_cancelled`) if it was ended by name."""
        task = asyncio.create_task(calling)
        self._calls[name] = task
        try:
            return await task
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            raise Conflict(
                "The call was taken back while it was under way; it is not known what it did.",
                code="call_cancelled",
            ) from None
        finally:
            # Whoever waited may have left; then nobody is left for the answer.
            task.cancel()
            self._ended.discard(task)
            if self._calls.get(name) is task:
                del self._calls[name]

    def end(self, name: str) -> bool:
        """End the call of this name; return whether there was one."""
        task = self._calls.get(name)
        if task is None:
            return False
        self._ended.add(task)
        task.cancel()
        return True


__all__ = ["UnderWay"]
