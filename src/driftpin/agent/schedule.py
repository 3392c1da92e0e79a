"""When to look at the workspace again: a state machine without a clock of its own.

Signals collapse into one pass 250 ms after the last of them, and never later than 2 s after the
first, so that steady change still gives results. A pass is due in any case when the last one is
older than the rescan interval. While git holds the index a pass waits, but never longer than 10 s,
and a lock that was once outlasted holds up nothing any more. The caller brings the time; the loop
around it is `agent.passes`.
"""

from dataclasses import dataclass

from driftpin import limits
from driftpin.agent.git_state import GitLock


@dataclass(frozen=True, slots=True)
class Timing:
    """The waits of a schedule, in seconds."""

    debounce_s: float = limits.DEBOUNCE_MS / 1000
    debounce_longest_s: float = limits.DEBOUNCE_LONGEST_MS / 1000
    rescan_interval_s: float = float(limits.RESCAN_INTERVAL_S)
    git_lock_wait_s: float = limits.GIT_LOCK_WAIT_MS / 1000
    git_lock_poll_s: float = limits.GIT_LOCK_POLL_MS / 1000


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until_s`, unless something is signalled or asked for."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Resolve:
    """A pass is to begin now."""


Step = Wait | Resolve


class Schedule:
    """Signals and requests in, the next step out. Every method is told the present second."""

    def __init__(self, now_s: float, timing: Timing | None = None) -> None:
        """Begin with a pass that is due at once."""
        self._timing = timing or Timing()
        self._first_signal_s: float | None = None
        self._last_signal_s: float | None = None
        self._rescan_due_s = now_s
        self._is_asked = False
        self._blocked_since_s: float | None = None
        self._outlasted: GitLock | None = None
        self._held_back_since_s: float | None = None

    def signal(self, now_s: float) -> None:
        """Something relevant may have changed."""
        if self._first_signal_s is None:
            self._first_signal_s = now_s
        self._last_signal_s = now_s

    def ask(self) -> None:
        """Someone waits for a pass that begins after this moment; it is not debounced."""
        self._is_asked = True

    def next_step(self, now_s: float, lock: GitLock | None) -> Step:
        """Return what to do now, given the lock that git holds on its index, if any."""
        due_s = now_s if self._is_asked else self._due_s()
        if now_s < due_s:
            return Wait(due_s)
        if lock is None or lock == self._outlasted:
            return Resolve()
        if self._blocked_since_s is None:
            self._blocked_since_s = now_s
        patience_ends_s = self._blocked_since_s + self._timing.git_lock_wait_s
        if now_s >= patience_ends_s:
            self._outlasted = lock
            return Resolve()
        return Wait(min(patience_ends_s, now_s + self._timing.git_lock_poll_s))

    def begin_pass(self, now_s: float) -> None:
        """A pass begins; whatever is signalled from here on needs another one."""
        self._first_signal_s = self._last_signal_s = None
        self._is_asked = False
        self._blocked_since_s = None
        self._rescan_due_s = now_s + self._timing.rescan_interval_s

    def holds_back(self, now_s: float, lock: GitLock | None) -> bool:
        """Whether the pass that ends now is thrown away, and another one is due instead.

        It is when git took its lock while the pass was reading, which may have read half of a
        checkout. No state is held back for longer than git is waited for.
        """
        since_s = now_s if self._held_back_since_s is None else self._held_back_since_s
        is_patient = now_s - since_s < self._timing.git_lock_wait_s
        if lock is None or lock == self._outlasted or not is_patient:
            self._held_back_since_s = None
            return False
        self._held_back_since_s = since_s
        self._is_asked = True
        return True

    def _due_s(self) -> float:
        if self._first_signal_s is None or self._last_signal_s is None:
            return self._rescan_due_s
        quiet_s = self._last_signal_s + self._timing.debounce_s
        latest_s = self._first_signal_s + self._timing.debounce_longest_s
        return min(quiet_s, latest_s, self._rescan_due_s)


__all__ = ["Resolve", "Schedule", "Step", "Timing", "Wait"]
