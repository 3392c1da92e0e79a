"""A lock: the context that a workspace is to bring, committed beside its code.

It holds what a manifest holds, and no digest over the whole: two branches that change different
files then merge without a conflict, and the merged lock is the right one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from driftpin.context.bodies import BodyReader
from driftpin.context.drift import Drift, drift
from driftpin.context.manifest import snapshot_of
from driftpin.context.resource import Resource, Status

NOT_READ: Final = (Status.EXCLUDED, "not_supported")
# The labels of sources that a bare checkout can bring.
CHECKOUT_LABELS: Final = frozenset({"workspace", "mcp"})


class Scope(StrEnum):
    """Which roots a lock speaks of: that of a checkout, or the user's own and declared too."""

    WORKSPACE = "workspace"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Lock:
    """What may be there, by source."""

    scope: Scope
    resources: tuple[Resource, ...]


def lock_of(resources: Iterable[Resource], scope: Scope) -> Lock:
    """Return the lock of what was found.

    What driftpin only lists and never reads (`excluded/not_supported`) is no part of it: such files
    are often personal, and reach nothing.
    """
    kept = (each for each in resources if (each.status, each.reason) != NOT_READ)
    fitting = (each for each in kept if fits(each.source, scope))
    return Lock(scope, tuple(sorted(fitting, key=lambda each: each.source)))


def fits(source: str, scope: Scope) -> bool:
    """Whether a lock of this scope may list the source."""
    return scope is Scope.USER or source.partition(":")[0] in CHECKOUT_LABELS


def drift_from(lock: Lock, found: Lock, bodies: BodyReader) -> Drift:
    """Return what differs from the lock in what was found."""
    return drift(snapshot_of(lock.resources), snapshot_of(found.resources), bodies)


__all__ = ["Lock", "Scope", "drift_from", "fits", "lock_of"]
