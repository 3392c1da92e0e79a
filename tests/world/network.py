"""A network that loses, doubles, delays, reorders and cuts; it is bad in spells, not evenly.

Each process has a road of its own to the server, and a road has weather: most of the time it is
calm, then it stalls for a while and lets everything through at once, or loses and repeats, or is
torn.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from driftpin.errors import DriftpinError, Unreachable
from world.kernel import Kernel

ANSWER_TIMEOUT_S: Final = 45.0
SPELL_MEAN_S: Final = 12.0


class Weather(StrEnum):
    """What a road does to what goes over it."""

    CALM = "calm"
    SLOW = "slow"
    STALLED = "stalled"
    LOSSY = "lossy"
    TORN = "torn"


SPELLS: Final = (Weather.SLOW, Weather.STALLED, Weather.LOSSY, Weather.LOSSY, Weather.TORN)


@dataclass(slots=True)
class Road:
    """The way between one process and the server, in both directions."""

    kernel: Kernel
    seen: Counter[str]
    weather: Weather = Weather.CALM
    is_healed: bool = False
    _until_s: float = field(default=0.0)

    def look(self) -> Weather:
        """Return the present weather."""
        if self.is_healed:
            self.weather = Weather.CALM
        elif self.kernel.now_s >= self._until_s:
            is_bad = self.weather is Weather.CALM and self.kernel.chance(0.6)
            self.weather = self.kernel.random.choice(SPELLS) if is_bad else Weather.CALM
            self._until_s = self.kernel.now_s + self.kernel.random.expovariate(1 / SPELL_MEAN_S)
        return self.weather

    def delays_s(self) -> list[float]:
        """Return after which times copies of one message arrive; none if it is lost."""
        draw = self.kernel.random
        match self.look():
            case Weather.CALM:
                return [draw.uniform(0.001, 0.05)]
            case Weather.SLOW:
                return [draw.uniform(0.5, 8)]
            case Weather.STALLED:
                self.seen["stalls"] += 1
                return [self._until_s - self.kernel.now_s + draw.uniform(0, 0.2)]
            case Weather.LOSSY:
                return self._lossy_delays_s()
            case Weather.TORN:
                return []

    def _lossy_delays_s(self) -> list[float]:
        draw = self.kernel.random
        lot = draw.random()
        if lot < 0.35:
            self.seen["lost messages"] += 1
            return []
        if lot < 0.65:
            self.seen["doubled messages"] += 1
            return [draw.uniform(0.001, 2), draw.uniform(0.001, 40)]
        if lot < 0.75:
            self.seen["messages late by up to an hour"] += 1
            return [draw.uniform(300, 3600)]
        return [draw.uniform(0.001, 2)]


Handle = Callable[[], Awaitable[Any]]


async def call(road: Road, what: str, handle: Handle) -> Any:
    """Carry a request to the server and its answer back, as well as the road does.

    The first answer that comes counts. Raises what the server refused with, or Unreachable.
    """
    kernel = road.kernel
    answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def lose() -> None:
        kernel.refuse(answered, Unreachable("no answer came"))

    async def arrive() -> None:
        try:
            answer, refusal = await handle(), None
        except DriftpinError as error:
            answer, refusal = None, error
        kernel.note(what, refusal.code if refusal else "ok")
        for delay_s in road.delays_s():
            kernel.after(
                delay_s, f"answer to {what}", lambda: _give(kernel, answered, answer, refusal)
            )

    for delay_s in road.delays_s():
        kernel.after(delay_s, what, arrive)
    is_torn = road.weather is Weather.TORN
    is_cut = road.weather is Weather.LOSSY and kernel.chance(0.2)
    patience_s = kernel.random.uniform(0.01, 1) if is_torn or is_cut else ANSWER_TIMEOUT_S
    timeout = kernel.after(patience_s, f"no answer to {what}", lose)
    try:
        return await kernel.park(answered)
    finally:
        timeout.is_void = True


async def _give(
    kernel: Kernel, answered: asyncio.Future[Any], answer: Any, refusal: Exception | None
) -> None:
    if refusal is None:
        kernel.resume(answered, answer)
    else:
        kernel.refuse(answered, refusal)


__all__ = ["Road", "Weather", "call"]
