"""What a server counts at its door: calls, failed credentials, open streams; all of it bounded."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from driftpin import limits
from driftpin.clock import Clock
from driftpin.errors import RateLimited
from driftpin.identity import Actor, AgentId, Digest
from driftpin.server.rates import Rate, Rates

FROM_ONE_ADDRESS: Final = Rate(
    limits.BAD_CREDENTIALS_BURST_MAX, limits.BAD_CREDENTIALS_PER_SECOND_MAX
)
FOR_ONE_NAME: Final = Rate(
    limits.BAD_PASSWORDS_PER_NAME_BURST_MAX, limits.BAD_PASSWORDS_PER_NAME_PER_SECOND_MAX
)
TOO_MANY_FAILURES: Final = "Too many bad credentials came; try again later."


class Gate:
    """The counts of one process."""

    def __init__(self, clock: Clock) -> None:
        """Start with nothing counted."""
        pushes = Rate(limits.PUSHES_BURST_MAX, limits.PUSHES_PER_SECOND_MAX)
        calls = Rate(limits.CALLS_BURST_MAX, limits.CALLS_PER_SECOND_MAX)
        self._pushes = Rates(
            clock, pushes, "Too many pushes; send the newest state a little later."
        )
        self._calls = Rates(clock, calls, "Too many calls; slow down.")
        self._bad_credentials = Rates(clock, FROM_ONE_ADDRESS, TOO_MANY_FAILURES)
        self._bad_names = Rates(clock, FOR_ONE_NAME, TOO_MANY_FAILURES)
        self._good: OrderedDict[Digest, None] = OrderedDict()
        self._streams: Counter[str] = Counter()

    def count_push(self, agent_id: AgentId) -> None:
        """Count a push of an agent; raises RateLimited."""
        self._pushes.take(agent_id)

    def count_call(self, actor: Actor) -> None:
        """Count a call of whoever was let in; raises RateLimited."""
        self._calls.take(actor.name)

    def check_address(self, address: str, secret_digest: Digest | None = None) -> None:
        """Refuse an address from which too many bad credentials came, before one is looked up.

        What was good lately goes through: a neighbour who guesses locks nobody out. Raises
        RateLimited.
        """
        if secret_digest is None or secret_digest not in self._good:
            self._bad_credentials.check(address)

    def count_bad_token(self, address: str, secret_digest: Digest | None = None) -> None:
        """Count a credential that was no good; raises RateLimited for one too many."""
        if secret_digest is not None:
            self._good.pop(secret_digest, None)
        self._bad_credentials.take(address)

    def remember_good_token(self, secret_digest: Digest) -> None:
        """Note a credential that was good just now."""
        self._good[secret_digest] = None
        self._good.move_to_end(secret_digest)
        if len(self._good) > limits.CALLERS_REMEMBERED_MAX:
            self._good.popitem(last=False)

    def check_sign_in(self, address: str, name: str) -> None:
        """Refuse a password before it is looked at, after too many bad ones.

        They count by address, and by name too, so that many addresses do not guess at one name.
        Raises RateLimited.
        """
        self._bad_credentials.check(address)
        self._bad_names.check(name)

    def count_bad_password(self, address: str, name: str) -> None:
        """Count a password that was wrong, or of nobody; raises RateLimited for one too many."""
        self._bad_names.take(name)
        self._bad_credentials.take(address)

    @contextmanager
    def stream(self, actor: Actor) -> Iterator[None]:
        """Hold a place for a stream or link; raises RateLimited (`too_many_streams`)."""
        name = actor.name
        is_full = self._streams.total() >= limits.STREAMS_MAX
        if is_full or self._streams[name] >= limits.STREAMS_PER_CALLER_MAX:
            raise RateLimited(
                "Too many streams are open; close one first.", code="too_many_streams"
            )
        self._streams[name] += 1
        try:
            yield
        finally:
            self._streams[name] -= 1
            if not self._streams[name]:
                del self._streams[name]


__all__ = ["Gate"]
