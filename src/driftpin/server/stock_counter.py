"""How much the database holds, counted now and then, however often it is asked for."""

from driftpin import limits
from driftpin.clock import Clock
from driftpin.identity import WORKER
from driftpin.store.reading.stock import Stock
from driftpin.store.store import Store


class StockCounter:
    """Remembers a count for a while, since it looks at every blob."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Count in `store` when it is asked."""
        self._store = store
        self._clock = clock
        self._last: tuple[float, Stock] | None = None

    async def count(self) -> Stock:
        """Return how much there is, or was a little while ago."""
        now_s = self._clock.monotonic_s()
        if self._last is None or now_s - self._last[0] >= limits.STOCK_COUNT_INTERVAL_S:
            self._last = (now_s, await self._store.count_stock(WORKER))
        return self._last[1]


__all__ = ["StockCounter"]
