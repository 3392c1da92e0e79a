"""What the store gives back of holds."""

from dataclasses import dataclass
from datetime import datetime

from driftpin.identity import Digest


@dataclass(frozen=True, slots=True)
class HoldRow:
    """What a chat holds of one source: the digest of the head's entry, None for its absence."""

    source: str
    digest: Digest | None
    held_by: str
    held_at: datetime


__all__ = ["HoldRow"]
