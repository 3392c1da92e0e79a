"""How often one agent may push: a bucket per agent, refilled with time."""

from dataclasses import dataclass
from typing import Final

from driftpin import limits
from driftpin.clock import Clock
from driftpin.errors import RateLimited
from driftpin.identity import AgentId

AGENTS_REMEMBERED_MAX: Final = 10_000


@dataclass(slots=True)
class _Bucket:
    pushes: float
    filled_at_s: float


class PushRates:
    """The buckets of all agents that pushed lately, in this process."""

    def __init__(self, clock: Clock) -> None:
        """Start with every bucket full."""
        self._clock = clock
        self._buckets: dict[AgentId, _Bucket] = {}

    def take(self, agent_id: AgentId) -> None:
        """Count one push; raises RateLimited when the agent's bucket is empty."""
        now_s = self._clock.monotonic_s()
        if len(self._buckets) > AGENTS_REMEMBERED_MAX:
            self._buckets.clear()
        bucket = self._buckets.setdefault(agent_id, _Bucket(limits.PUSHES_BURST_MAX, now_s))
        refilled = bucket.pushes + (now_s - bucket.filled_at_s) * limits.PUSHES_PER_SECOND_MAX
        bucket.pushes = min(limits.PUSHES_BURST_MAX, refilled)
        bucket.filled_at_s = now_s
        if bucket.pushes < 1:
            raise RateLimited("Too many pushes; send the newest state a little later.")
        bucket.pushes -= 1


__all__ = ["PushRates"]
