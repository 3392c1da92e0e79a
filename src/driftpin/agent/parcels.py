"""Which bytes travel inside a push, and which ahead of it, in how many requests."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from driftpin import limits
from driftpin.identity import Digest
from driftpin.wire.agent import InlineBlob


class BytesGone(Exception):
    """The workspace has moved on: it has other bytes now than the snapshot names."""


class Blobs(Protocol):
    """The bytes of a resolution (`agent.file_blobs`); they are read when asked for."""

    def __iter__(self) -> Iterator[Digest]:
        """Name every blob."""

    def __getitem__(self, digest: Digest) -> bytes:
        """Return the bytes; raise KeyError if they have changed since. Blocks."""

    def size_bytes(self, digest: Digest) -> int:
        """Return the size of a blob without reading it."""


def fits_inline(blobs: Blobs, digests: Iterable[Digest]) -> bool:
    """Whether all of these together may travel inside one push."""
    total_bytes = sum(blobs.size_bytes(digest) for digest in digests)
    return total_bytes <= limits.AGENT_INLINE_BLOB_BYTES_MAX


def read_inline(blobs: Blobs, digests: Iterable[Digest]) -> tuple[InlineBlob, ...]:
    """Return the blobs as they are written into a request. Blocks; raises BytesGone."""
    try:
        return tuple(
            InlineBlob(digest=digest, data=base64.b64encode(blobs[digest]).decode("ascii"))
            for digest in digests
        )
    except KeyError as missing:
        raise BytesGone(*missing.args) from None


def in_batches(blobs: Blobs, digests: Iterable[Digest]) -> Iterator[Sequence[Digest]]:
    """Yield the digests in requests that keep to the agent's limits."""
    batch: list[Digest] = []
    batch_bytes = 0
    for digest in digests:
        size_bytes = blobs.size_bytes(digest)
        is_full = len(batch) >= limits.AGENT_BLOBS_PER_REQUEST_MAX
        if batch and (is_full or batch_bytes + size_bytes > limits.AGENT_BLOBS_BODY_BYTES_MAX):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(digest)
        batch_bytes += size_bytes
    if batch:
        yield batch


__all__ = ["Blobs", "BytesGone", "fits_inline", "in_batches", "read_inline"]
