"""Contents in which a torn read shows: files that point at each other in one ring.

Every push swaps two of them, and the ring stays whole. Whoever sees some files of one snapshot and
some of another sees a broken ring. A file's size says where it points as well as its text does.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from driftpin.context.manifest import Snapshot
from driftpin.identity import Digest, digest_of
from pushing import snapshot_with

NODES: Final = 6
STEP_BYTES: Final = 16
SERIAL: Final = "serial"


def source_of(name: str) -> str:
    """Return the source under which a file of this name is listed."""
    return f"workspace:{name}.md"


SOURCES: Final = tuple(source_of(f"node{node}") for node in range(NODES))


def text_of(node: int, following: int) -> str:
    """Return the file of a node."""
    return f"{node}>{following}:" + "." * (STEP_BYTES * following)


BYTES_BEFORE_DOTS: Final = len(text_of(0, 0))
FOLLOWING: Final[Mapping[Digest, int]] = {
    digest_of(text_of(node, following).encode()): following
    for node in range(NODES)
    for following in range(NODES)
}


@dataclass(frozen=True, slots=True)
class Ring:
    """Where each node points."""

    following: tuple[int, ...] = tuple((node + 1) % NODES for node in range(NODES))

    @property
    def is_whole(self) -> bool:
        """Whether one walk comes by every node."""
        node, walked = 0, set()
        while node not in walked and 0 <= node < len(self.following):
            walked.add(node)
            node = self.following[node]
        return len(walked) == NODES

    def swapped(self, draw: random.Random) -> "Ring":
        """Return the ring with two neighbours in each other's place."""
        first = draw.randrange(NODES)
        second = self.following[first]
        third = self.following[second]
        changed = list(self.following)
        changed[first], changed[second], changed[third] = third, self.following[third], second
        return Ring(tuple(changed))

    def snapshot(self, serial: str) -> tuple[Snapshot, dict[Digest, bytes]]:
        """Return these contents; the serial makes them unlike any others."""
        texts = {f"node{node}": text_of(node, to) for node, to in enumerate(self.following)}
        return snapshot_with(**texts, **{SERIAL: serial})


def ring_of_digests(digests: Mapping[str, str | None]) -> Ring:
    """Return where the files with these digests point; -1 for what is no node."""
    named = (digests.get(source) for source in SOURCES)
    return Ring(tuple(FOLLOWING.get(Digest(str(digest)), -1) for digest in named))


def ring_of_sizes(sizes: Mapping[str, int | None]) -> Ring:
    """Return where files of these sizes point."""
    known = (sizes.get(source) or 0 for source in SOURCES)
    return Ring(tuple((size - BYTES_BEFORE_DOTS) // STEP_BYTES for size in known))


def differing(before: Ring, after: Ring) -> frozenset[str]:
    """Return the nodes that point elsewhere; the serial differs in any case."""
    pairs: Iterable[tuple[str, int, int]] = zip(
        SOURCES, before.following, after.following, strict=True
    )
    return frozenset(source for source, was, now in pairs if was != now)


__all__ = [
    "NODES",
    "SERIAL",
    "SOURCES",
    "Ring",
    "differing",
    "ring_of_digests",
    "ring_of_sizes",
    "source_of",
    "text_of",
]
