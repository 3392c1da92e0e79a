"""What was learnt from files that have not changed since, so that they are not read again.

An entry is trusted while the file's key is the same, and only if the file had been at rest for a
while when it was read: a file system's clock ticks coarsely, and a second edit within one tick
leaves the key as it was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from driftpin.agent.reading import StatKey
from driftpin.clock import Clock
from driftpin.context.front_matter import SkillHeader
from driftpin.context.mcp_servers import ListedServer
from driftpin.context.resource import Finding, Status
from driftpin.identity import Digest

AT_REST_NS: Final = 2_000_000_000
_NS_PER_S: Final = 1_000_000_000


class Purpose(StrEnum):
    """What a file was read as."""

    INSTRUCTION = "instruction"
    SKILL_TEXT = "skill_text"
    SKILL_FILE = "skill_file"
    MCP_CONFIG = "mcp_config"


@dataclass(frozen=True, slots=True)
class FileReading:
    """What is kept of a file's bytes once they were read.

    `digest` is None where the bytes were not to be had. `held` are the bytes themselves, only while
    the file is so fresh that it may change before they are asked for.
    """

    status: Status
    reason: str = ""
    digest: Digest | None = None
    size_bytes: int | None = None
    header: SkillHeader | None = None
    servers: tuple[ListedServer, ...] = ()
    findings: tuple[Finding, ...] = ()
    held: bytes | None = None


Place = tuple[str, str]


class StatCache:
    """Readings and listings by place (root name, path); what a pass does not use is forgotten."""

    def __init__(self, clock: Clock) -> None:
        """Start empty; the clock tells how long a file has been at rest."""
        self._clock = clock
        self._readings: dict[tuple[Purpose, Place], tuple[StatKey, FileReading]] = {}
        self._listings: dict[Place, tuple[StatKey, tuple[str, ...]]] = {}
        self._used_readings = dict(self._readings)
        self._used_listings = dict(self._listings)

    def is_at_rest(self, key: StatKey) -> bool:
        """Whether a file in this state was last changed long enough ago to trust its key."""
        now_ns = int(self._clock.now().timestamp() * _NS_PER_S)
        return key.changed_ns < now_ns - AT_REST_NS and abs(now_ns - key.modified_ns) > AT_REST_NS

    def reading(self, purpose: Purpose, place: Place, key: StatKey) -> FileReading | None:
        """Return what is known of the file in this state, None if it must be read."""
        known = self._readings.get((purpose, place))
        if known is None or known[0] != key:
            return None
        self._used_readings[purpose, place] = known
        return known[1]

    def remember(self, purpose: Purpose, place: Place, key: StatKey, reading: FileReading) -> None:
        """Keep what was learnt from a file in this state, which must be at rest."""
        self._used_readings[purpose, place] = (key, reading)

    def listing(self, place: Place, key: StatKey) -> tuple[str, ...] | None:
        """Return the names in a directory in this state, None if it must be listed."""
        known = self._listings.get(place)
        if known is None or known[0] != key:
            return None
        self._used_listings[place] = known
        return known[1]

    def remember_listing(self, place: Place, key: StatKey, names: tuple[str, ...]) -> None:
        """Keep the names in a directory in this state, which must be at rest."""
        self._used_listings[place] = (key, names)

    def end_pass(self) -> None:
        """Forget what the pass that ends here did not use."""
        self._readings, self._used_readings = self._used_readings, {}
        self._listings, self._used_listings = self._used_listings, {}


ParseFile = Callable[[bytes], FileReading]

__all__ = ["FileReading", "ParseFile", "Place", "Purpose", "StatCache"]
