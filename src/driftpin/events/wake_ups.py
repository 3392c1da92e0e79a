"""Wake-ups: the word that something was committed. They carry nothing; rows are the truth.

One may be lost, doubled, or come early; whoever listens reads behind its own cursor and looks by
itself from time to time as well.
"""

from collections.abc import Callable
from typing import Protocol

Listener = Callable[[], None]


class WakeUps(Protocol):
    """A carrier of wake-ups between those who commit and those who read."""

    def announce(self) -> None:
        """Say that a transaction with an event has been committed; never blocks."""

    def announce_step(self) -> None:
        """Say the same of a step of a turn that left nothing more to claim than before."""

    def listen(self, listener: Listener, *, to_steps: bool = True) -> None:
        """Call `listener`, which must not block, whenever something may have been committed.

        Without `to_steps` it may be left out after what was announced as a step.
        """

    async def carry(self) -> None:
        """Carry wake-ups until cancelled; an unreachable carrier is tried again."""


class LocalWakeUps:
    """Wake-ups inside one process, for a database that only this process writes."""

    def __init__(self) -> None:
        """Begin without listeners."""
        self._listeners: list[Listener] = []
        self._listeners_to_steps: list[Listener] = []

    def announce(self) -> None:
        """Call every listener at once."""
        for listener in self._listeners:
            listener()

    def announce_step(self) -> None:
        """Call those at once that listen to steps as well."""
        for listener in self._listeners_to_steps:
            listener()

    def listen(self, listener: Listener, *, to_steps: bool = True) -> None:
        """Call `listener` at every announcement, or at those alone that are of more than a step."""
        self._listeners.append(listener)
        if to_steps:
            self._listeners_to_steps.append(listener)

    async def carry(self) -> None:
        """Do nothing: what is announced has arrived."""


__all__ = ["Listener", "LocalWakeUps", "WakeUps"]
