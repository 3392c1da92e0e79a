"""What a pushed or imported snapshot must be before any of it is written; pure."""

from collections.abc import Collection, Mapping
from typing import Final

from driftpin import limits
from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.context.resource import Resource, Status, blobs_of
from driftpin.errors import BlobsMissing, Rejected, TooLarge
from driftpin.identity import Digest, digest_of

OK_BODIES: Final = "An ok resource has a body, and one that is not ok has none."


def check_snapshot(snapshot: Snapshot) -> None:
    """Refuse a snapshot whose parts contradict each other or pass a limit.

    Raises Rejected (`duplicate_source`, `inconsistent_resource`, `hash_mismatch`) or TooLarge.
    Afterwards manifest, resources and all three digests are known to be one and the same thing.
    """
    _check_sizes(snapshot)
    sources = [resource.source for resource in snapshot.resources]
    if len(set(sources)) != len(sources):
        twice = next(source for source in sources if sources.count(source) > 1)
        raise Rejected(f"{twice!r} is listed twice.", code="duplicate_source", source=twice)
    for resource in snapshot.resources:
        _check_body(resource)
    if snapshot_of(snapshot.resources) != snapshot:
        raise Rejected("The manifest does not have the digest it claims.", code="hash_mismatch")


def check_bodies(snapshot: Snapshot, contents: Mapping[Digest, bytes]) -> None:
    """Refuse bytes that are not what their digest says; the source that names them is told."""
    for digest, content in contents.items():
        if len(content) > limits.SERVER_BLOB_BYTES_MAX:
            raise TooLarge("A blob is too large.", limit="SERVER_BLOB_BYTES_MAX", digest=digest)
        if digest_of(content) != digest:
            raise Rejected(
                f"These bytes do not have the digest {digest!r}.",
                code="hash_mismatch",
                source=_source_of(snapshot, digest),
                digest=digest,
            )


def _source_of(snapshot: Snapshot, digest: Digest) -> str | None:
    named = {blob.digest: blob.source for r in snapshot.resources for blob in blobs_of(r)}
    return named.get(digest)


def refuse_missing(missing: Collection[Digest]) -> None:
    """Ask for the blobs that the workspace lacks, if it lacks any."""
    if missing:
        raise BlobsMissing(digests=[str(digest) for digest in sorted(missing)])


def _check_sizes(snapshot: Snapshot) -> None:
    if len(snapshot.manifest) > limits.SERVER_MANIFEST_BYTES_MAX:
        raise TooLarge("The manifest is too large.", limit="SERVER_MANIFEST_BYTES_MAX")
    if len(snapshot.resources) > limits.SERVER_RESOURCES_LISTED_MAX:
        raise TooLarge("Too many resources are listed.", limit="SERVER_RESOURCES_LISTED_MAX")
    usable = sum(resource.status is Status.OK for resource in snapshot.resources)
    if usable > limits.SNAPSHOT_RESOURCES_MAX:
        raise TooLarge("Too many resources are ok.", limit="SNAPSHOT_RESOURCES_MAX")


def _check_body(resource: Resource) -> None:
    if resource.status is not Status.OK and (resource.body is not None or not resource.reason):
        raise Rejected(OK_BODIES, code="inconsistent_resource", source=resource.source)


__all__ = ["check_bodies", "check_snapshot", "refuse_missing"]
