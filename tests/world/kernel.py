"""One seeded scheduler that decides everything which happens in a simulated world.

Nothing moves by itself: a task of the product runs only after it was resumed, and until it waits
for the world again. So a seed is a whole history, and gives the same one wherever it is run.
"""

import asyncio
import hashlib
import heapq
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

FOR_EVER_S: Final = 1e9
Answer = TypeVar("Answer")
Action = Callable[[], Awaitable[None]]


@dataclass(slots=True, order=True)
class Ticket:
    """Something that is to happen; it does not once it `is_void`."""

    due_s: float
    number: int
    what: str = field(compare=False)
    action: Action = field(compare=False)
    is_void: bool = field(compare=False, default=False)


@dataclass(frozen=True, slots=True)
class _Waiting:
    event: asyncio.Event
    future: asyncio.Future[None]


class Kernel:
    """Virtual time, the order of what happens, and the trace of it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now_s = 0.0
        self.steps = 0
        self.broken: list[str] = []
        self._due: list[Ticket] = []
        self._tickets = 0
        self._trace = hashlib.sha256()
        self._running = 0
        self._quiet = asyncio.Event()
        self._waiting: list[_Waiting] = []

    @property
    def digest(self) -> str:
        """Name the history so far."""
        return self._trace.hexdigest()

    def note(self, *words: object) -> None:
        """Write into the trace."""
        self._trace.update(repr((round(self.now_s, 6), words)).encode())

    def breaks(self, what: str) -> None:
        """Say that a promise was broken at this moment."""
        self.broken.append(f"step {self.steps}: {what}")

    def chance(self, share: float) -> bool:
        """Whether something of this likelihood happens."""
        return self.random.random() < share

    def after(self, delay_s: float, what: str, action: Action) -> Ticket:
        """Have something happen later."""
        return self.at(self.now_s + max(delay_s, 0.0), what, action)

    def at(self, due_s: float, what: str, action: Action) -> Ticket:
        """Have something happen at a time, behind what is due at the same time already."""
        self._tickets += 1
        ticket = Ticket(due_s, self._tickets, what, action)
        heapq.heappush(self._due, ticket)
        return ticket

    async def step(self, until_s: float) -> bool:
        """Do the next thing, unless it is due behind `until_s`; return whether there was one."""
        await self.settle()
        while self._due and self._due[0].is_void:
            heapq.heappop(self._due)
        if not self._due or self._due[0].due_s > until_s:
            self.now_s = until_s
            return False
        ticket = heapq.heappop(self._due)
        self.now_s = ticket.due_s
        self.steps += 1
        self.note(ticket.what)
        await ticket.action()
        await self.settle()
        return True

    async def settle(self) -> None:
        """Let every task run that was resumed, or whose event was set, until all of them wait."""
        while True:
            if self._running:
                self._quiet.clear()
                await self._quiet.wait()
            woken = [waiting for waiting in self._waiting if waiting.event.is_set()]
            if not woken:
                return
            for waiting in woken:
                self.resume(waiting.future, None)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task of this world."""
        self._running += 1
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda _: self._rest())
        return task

    def cancel(self, task: asyncio.Task[None]) -> None:
        """End a task that waits, so after a `settle`; one that is over stays so."""
        if not task.done():
            self._running += 1
            task.cancel()

    async def park(self, future: asyncio.Future[Answer]) -> Answer:
        """Wait for the world."""
        if not future.done():
            self._rest()
        return await future

    def resume(self, future: asyncio.Future[Answer], answer: Answer) -> None:
        """Let the task go on that waits for this; nobody may be waiting any more."""
        if not future.done():
            self._running += 1
            future.set_result(answer)

    def refuse(self, future: asyncio.Future[Any], error: Exception) -> None:
        """Let the task go on with an error."""
        if not future.done():
            self._running += 1
            future.set_exception(error)

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        """Wait for the event, but no longer than a virtual time: the product's `Waiter`."""
        if event.is_set():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def time_is_over() -> None:
            self.resume(future, None)

        waiting = _Waiting(event, future)
        ticket = self.after(timeout_s, "a wait is over", time_is_over)
        self._waiting.append(waiting)
        try:
            await self.park(future)
        finally:
            ticket.is_void = True
            self._waiting.remove(waiting)

    def _rest(self) -> None:
        self._running -= 1
        if self._running == 0:
            self._quiet.set()


__all__ = ["FOR_EVER_S", "Action", "Kernel", "Ticket"]
