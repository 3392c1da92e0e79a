"""The operator's switch that pauses pushes, as requests meet it."""

from driftpin import limits
from driftpin.errors import Unavailable
from driftpin.server.services import Services


def refuse_while_paused(services: Services) -> None:
    """Raise Unavailable (`sync_paused`) while an administrator has paused context sync."""
    if services.pulse.sync.is_paused:
        raise Unavailable(
            "Context sync is paused by an administrator; the newest state is taken afterwards.",
            code="sync_paused",
            retry_after_s=limits.SYNC_PAUSED_RETRY_S,
        )


__all__ = ["refuse_while_paused"]
