"""What was found in a root, on its way into a snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from driftpin.agent.names import fitted
from driftpin.agent.reading import Refusal
from driftpin.agent.root_view import Found, RootView
from driftpin.agent.roots import Root
from driftpin.context.launch import Launch
from driftpin.context.resource import Finding, Kind, Resource, Status
from driftpin.identity import Digest


@dataclass(frozen=True, slots=True)
class BlobPlace:
    """Where the bytes of a blob lie.

    `held` are they, where no file has them: it is too fresh to trust, or they were made of it.
    """

    root: Root
    path: str
    digest: Digest
    size_bytes: int
    held: bytes | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A resource with all that is known beside it. `text_bytes` count towards the text cap.

    A server has the source of the config that lists it, and its launch as long as it is usable.
    """

    resource: Resource
    size_bytes: int | None = None
    text_bytes: int = 0
    blobs: tuple[BlobPlace, ...] = ()
    aliases: tuple[str, ...] = ()
    warnings: tuple[Finding, ...] = ()
    config_source: str = ""
    launch: Launch | None = None

    @property
    def is_ok(self) -> bool:
        """Whether the resource is usable so far."""
        return self.resource.status is Status.OK

    def refused(self, status: Status, reason: str) -> "Candidate":
        """Return the candidate as one that is listed and contributes nothing."""
        resource = replace(self.resource, status=status, reason=reason, body=None)
        return replace(self, resource=resource, text_bytes=0, blobs=(), launch=None)


def refused_candidate(
    kind: Kind, source: str, refusal: Refusal, *, warnings: tuple[Finding, ...] = ()
) -> Candidate:
    """Return a candidate that could not be read."""
    resource = Resource(kind, source, refusal.status, refusal.reason)
    return Candidate(resource, size_bytes=refusal.size_bytes, warnings=warnings)


@dataclass(frozen=True, slots=True)
class Named:
    """Something found under a name."""

    path: str
    found: Found


@dataclass(frozen=True, slots=True)
class Collapsed:
    """One file or directory under its first name, with the sources of its other names."""

    named: Named
    aliases: tuple[str, ...]


def collapse_links(view: RootView, found: Sequence[Named]) -> list[Collapsed]:
    """Merge names that links make of one thing, keeping their order.

    The name without a link in it comes first; where all have one, the first of them, and where the
    links lead is an alias too. Hard links are not merged: a copy of the tree would not have them.
    """
    aliases: dict[str, list[str]] = {}
    primaries: dict[str, Named] = {}
    plain = {named.path: named for named in found if not named.found.is_linked}
    for named in found:
        real = view.real_path(named.path) if named.found.is_linked else named.path
        target = named.path if real is None else real
        view.watched.add(target.rpartition("/")[0])
        primary = primaries.setdefault(target, plain.get(target, named))
        noted = aliases.setdefault(target, [])
        noted.extend({view.root.source(named.path)} - {view.root.source(primary.path)})
        if primary.path != target and view.root.source(target) not in noted:
            noted.append(view.root.source(target))
    return [
        Collapsed(primary, tuple(sorted(fitted(alias) for alias in aliases[target])))
        for target, primary in primaries.items()
    ]


__all__ = [
    "BlobPlace",
    "Candidate",
    "Collapsed",
    "Named",
    "collapse_links",
    "refused_candidate",
]
