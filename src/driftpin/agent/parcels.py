"""Which bytes travel inside a push, and which ahead of it, in how many requests."""

import base64
from collections.abc import Iterable, Iterator, Mapping

from driftpin import limits
from driftpin.identity import Digest
from driftpin.wire.agent import InlineBlob

Blobs = Mapping[Digest, bytes]


def fits_inline(blobs: Blobs) -> bool:
    """Whether all of these together may travel inside one push."""
    total_bytes = sum(len(content) for content in blobs.values())
    return total_bytes <= limits.AGENT_INLINE_BLOB_BYTES_MAX


def as_inline(blobs: Blobs) -> tuple[InlineBlob, ...]:
    """Return the blobs as they are written into a request."""
    return tuple(
        InlineBlob(digest=digest, data=base64.b64encode(content).decode("ascii"))
        for digest, content in sorted(blobs.items())
    )


def without(blobs: Blobs, known: Iterable[Digest]) -> dict[Digest, bytes]:
    """Return the blobs that are not among the known ones."""
    held = frozenset(known)
    return {digest: content for digest, content in blobs.items() if digest not in held}


def in_batches(blobs: Blobs) -> Iterator[dict[Digest, bytes]]:
    """Yield the blobs in requests that keep to the agent's limits, ordered by digest."""
    batch: dict[Digest, bytes] = {}
    batch_bytes = 0
    for digest, content in sorted(blobs.items()):
        is_full = len(batch) >= limits.AGENT_BLOBS_PER_REQUEST_MAX
        if batch and (is_full or batch_bytes + len(content) > limits.AGENT_BLOBS_BODY_BYTES_MAX):
            yield batch
            batch, batch_bytes = {}, 0
        batch[digest] = content
        batch_bytes += len(content)
    if batch:
        yield batch


__all__ = ["Blobs", "as_inline", "fits_inline", "in_batches", "without"]
