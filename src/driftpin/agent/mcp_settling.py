"""Which catalogue of a server counts while the server goes back and forth between several.

A server that lists half of its tools after each start and the rest a moment later would make every
pinned chat dirty and clean again at each restart. What comes back a second time is taken over only
once it has stayed; until then what was known before goes on.
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from driftpin import limits
from driftpin.context.drift import flapping
from driftpin.context.resource import Catalogue

_STATES_KEPT: Final = 8


@dataclass(slots=True)
class _History:
    """What one server offered, one after the other, and since when it offers the last."""

    states: deque[Catalogue]
    since_s: float = 0.0


class Settling:
    """Judges what servers offer; a server is told apart by any key."""

    def __init__(self) -> None:
        """Know nothing of any server."""
        self._histories: dict[Hashable, _History] = {}

    def takes(self, key: Hashable, known: Catalogue, offered: Catalogue, now_s: float) -> bool:
        """Whether what the server offers now counts, at this moment, in the place of `known`."""
        history = self._histories.setdefault(key, _History(deque([known], _STATES_KEPT)))
        if history.states[-1] != offered:
            history.states.append(offered)
            history.since_s = now_s
        is_calm = now_s - history.since_s >= limits.MCP_SETTLED_AFTER_S
        return is_calm or not flapping(history.states)


__all__ = ["Settling"]
