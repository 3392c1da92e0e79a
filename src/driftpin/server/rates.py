"""How often somebody may do something: a bucket each, refilled with time, in bounded memory."""

import math
from collections import OrderedDict
from dataclasses import dataclass

from driftpin import limits
from driftpin.clock import Clock
from driftpin.errors import RateLimited


@dataclass(slots=True)
class _Bucket:
    left: float
    filled_at_s: float


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and so many a second after that."""

    burst: float
    per_second: float


class Rates:
    """The buckets of everybody who was seen lately, in this process."""

    def __init__(self, clock: Clock, rate: Rate, complaint: str) -> None:
        """Start with every bucket full; `complaint` is what somebody with an empty one is told."""
        self._clock = clock
        self._rate = rate
        self._complaint = complaint
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, name: str) -> None:
        """Count one; raises RateLimited when the bucket of `name` is empty."""
        self.check(name)
        self._buckets[name].left -= 1

    def check(self, name: str) -> None:
        """Raise RateLimited when the bucket of `name` is empty, without counting."""
        bucket = self._filled(name)
        if bucket.left < 1:
            wait_s = math.ceil((1 - bucket.left) / self._rate.per_second)
            raise RateLimited(
                self._complaint, retry_after_s=min(wait_s, limits.RETRY_AFTER_LONGEST_S)
            )

    def _filled(self, name: str) -> _Bucket:
        now_s = self._clock.monotonic_s()
        bucket = self._buckets.setdefault(name, _Bucket(self._rate.burst, now_s))
        self._buckets.move_to_end(name)
        if len(self._buckets) > limits.CALLERS_REMEMBERED_MAX:
            # Whoever was seen longest ago has refilled by now, or nearly.
            self._buckets.popitem(last=False)
        refilled = bucket.left + (now_s - bucket.filled_at_s) * self._rate.per_second
        bucket.left = min(self._rate.burst, refilled)
        bucket.filled_at_s = now_s
        return bucket


__all__ = ["Rate", "Rates"]
