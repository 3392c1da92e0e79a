"""Order in real time: what ended before something else began must be seen by it."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Floor:
    """From `since_s` on nothing below `value` may be seen of `subject` any more."""

    subject: Hashable
    since_s: float
    value: Any


@dataclass(frozen=True, slots=True)
class Sight:
    """Something of `subject` that was looked for from `begin_s` on."""

    subject: Hashable
    begin_s: float
    value: Any
    what: str


def below_floor(floors: list[Floor], sights: list[Sight]) -> Iterator[str]:
    """Give each look that saw less than what was known before it began; one sweep by time."""
    floors.sort(key=lambda floor: floor.since_s)
    sights.sort(key=lambda sight: sight.begin_s)
    lowest: dict[Hashable, Any] = {}
    place = 0
    for sight in sights:
        while place < len(floors) and floors[place].since_s < sight.begin_s:
            floor = floors[place]
            lowest[floor.subject] = max(lowest.get(floor.subject, floor.value), floor.value)
            place += 1
        least = lowest.get(sight.subject)
        if least is not None and sight.value < least:
            yield f"{sight.what} saw {sight.value} after {least} was known"


__all__ = ["Floor", "Sight", "below_floor"]
