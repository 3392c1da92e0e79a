"""What each root brought when it was last there, for as long as its absence may be an accident.

A directory that is moved away, unmounted or replaced by a link is seldom meant to empty the
context: it is back in a moment, or somebody has to put it back. So a root that is gone goes on
bringing what it brought in the last look that was handed on, and its absence is told beside the
manifest. That ends when it is back, when it was away for long, or when the agent is started again.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from driftpin.agent.candidate import Candidate
from driftpin.agent.roots import Root
from driftpin.clock import Clock

_AT_ONCE: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class Brought:
    """What a root brought, and the device that its directory was on."""

    candidates: tuple[Candidate, ...]
    device: int


class KeptRoots:
    """The roots of one workspace as they were; one look at a time."""

    def __init__(self, clock: Clock, held_s: float) -> None:
        """Keep what a root brought for `held_s` after it was first found gone."""
        self._clock = clock
        self._held_s = held_s
        self._seen: dict[Root, Brought] = {}
        self._known: dict[Root, Brought] = {}
        self._gone_since_s: dict[Root, float] = {}

    def begin_look(self, roots: Collection[Root]) -> None:
        """A look at exactly these roots begins; the others are forgotten."""
        self._seen = {}
        for kept in (self._known, self._gone_since_s):
            for root in [each for each in kept if each not in roots]:
                del kept[root]

    def saw(self, root: Root, brought: Brought) -> None:
        """The root is there."""
        self._seen[root] = brought
        self._gone_since_s.pop(root, None)

    def hand_on(self) -> None:
        """The last look is what others get to see; one that was thrown away does not count."""
        self._known.update(self._seen)

    def known(self, root: Root) -> Brought | None:
        """Return what the root brought when it was there, whether or not it still counts."""
        return self._known.get(root)

    def held(self, root: Root) -> tuple[Candidate, ...]:
        """Return what a root that is gone still brings."""
        now_s = self._clock.monotonic_s()
        gone_since_s = self._gone_since_s.setdefault(root, now_s)
        if root not in self._known or now_s - gone_since_s >= self._held_s:
            return ()
        return self._known[root].candidates

    def let_go(self) -> None:
        """What is gone brings nothing any more: its bytes were asked for and cannot be had."""
        self._gone_since_s = dict.fromkeys(self._gone_since_s, _AT_ONCE)


__all__ = ["Brought", "KeptRoots"]
