"""Reading what an agent pushes: all or nothing, and the first broken rule is named with its place.

A manifest may come in any order; it is brought into its canonical form here, and its digest is the
server's own. What an agent claims is only ever compared with that.
"""

import binascii
import json
from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from driftpin import limits
from driftpin.context.manifest import MANIFEST_VERSION, Snapshot, snapshot_of
from driftpin.context.resource import Resource, Status, blobs_of
from driftpin.errors import Malformed, Rejected
from driftpin.identity import Digest, digest_of
from driftpin.wire.agent import InlineBlob
from driftpin.wire.manifest_rules import (
    list_at,
    object_at,
    read_resource,
    refuse_over,
    refuse_unknown_keys,
    required,
)

MANIFEST_KEYS = frozenset({"v", "resources"})


def read_manifest(manifest: Mapping[str, JsonValue], claimed: Digest | None = None) -> Snapshot:
    """Return the snapshot that the manifest lists, in canonical form.

    Raises Malformed (`unsupported_version`, `unknown_field`, `invalid_request`, `bad_hash`),
    Rejected (`bad_source`, `duplicate_source`, `unknown_kind`, `unknown_status`,
    `inconsistent_resource`, `hash_mismatch`, …) or TooLarge, each with `pointer` or `source`.
    """
    refuse_unknown_keys(manifest, MANIFEST_KEYS, "/manifest")
    _check_version(required(manifest, "v", "/manifest"))
    listed = list_at(required(manifest, "resources", "/manifest"), "/manifest/resources")
    refuse_over("resources_listed", len(listed), limits.SERVER_RESOURCES_LISTED_MAX)
    resources = tuple(
        read_resource(object_at(entry, f"/manifest/resources/{index}"), index)
        for index, entry in enumerate(listed)
    )
    _check_together(resources)
    snapshot = snapshot_of(resources)
    refuse_over("manifest_bytes", len(snapshot.manifest), limits.SERVER_MANIFEST_BYTES_MAX)
    if claimed is not None and claimed != snapshot.digest:
        raise Rejected(
            "The manifest has another digest than was claimed.",
            code="hash_mismatch",
            pointer="/digest",
            digest=snapshot.digest,
        )
    return snapshot


def _check_version(version: JsonValue) -> None:
    if isinstance(version, bool) or version != MANIFEST_VERSION:
        raise Malformed(
            "This version of the manifest is not spoken here.",
            code="unsupported_version",
            pointer="/manifest/v",
            supported=[MANIFEST_VERSION],
        )


def _check_together(resources: Sequence[Resource]) -> None:
    usable = sum(resource.status is Status.OK for resource in resources)
    refuse_over("resources", usable, limits.SNAPSHOT_RESOURCES_MAX)
    seen: set[str] = set()
    for index, resource in enumerate(resources):
        if resource.source in seen:
            raise Rejected(
                "A source is listed twice.",
                code="duplicate_source",
                source=resource.source,
                pointer=f"/manifest/resources/{index}/source",
            )
        seen.add(resource.source)


def read_blobs(
    blobs: Sequence[InlineBlob], snapshot: Snapshot | None = None
) -> tuple[tuple[Digest, bytes], ...]:
    """Return the bytes that came along, each recomputed to its digest.

    Raises Rejected (`hash_mismatch`) with the `source` that names the digest in `snapshot`,
    Malformed for what is not base64, and TooLarge.
    """
    refuse_over("blobs_per_request", len(blobs), limits.SERVER_BLOBS_PER_REQUEST_MAX)
    sources = {} if snapshot is None else _sources_by_digest(snapshot.resources)
    return tuple(
        _read_blob(blob, f"/blobs/{index}", sources.get(Digest(blob.digest), ""))
        for index, blob in enumerate(blobs)
    )


def _sources_by_digest(resources: Iterable[Resource]) -> dict[Digest, str]:
    return {named.digest: named.source for entry in resources for named in blobs_of(entry)}


def _read_blob(blob: InlineBlob, pointer: str, source: str) -> tuple[Digest, bytes]:
    try:
        content = binascii.a2b_base64(blob.data.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Malformed(
            "These bytes are not in standard base64.",
            code="invalid_request",
            pointer=f"{pointer}/data",
        ) from None
    refuse_over("blob_bytes", len(content), limits.SERVER_BLOB_BYTES_MAX, source=source)
    if digest_of(content) != blob.digest:
        raise Rejected(
            "These bytes have another digest than their name.",
            code="hash_mismatch",
            source=source,
            digest=blob.digest,
            pointer=pointer,
        )
    return Digest(blob.digest), content


def read_observations(observations: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the observations if they keep to their limit; they are stored as they came."""
    size_bytes = len(json.dumps(observations, ensure_ascii=False).encode("utf-8"))
    refuse_over("observations_bytes", size_bytes, limits.SERVER_OBSERVATIONS_BYTES_MAX)
    return observations


def inline_blob(digest: Digest, content: bytes) -> InlineBlob:
    """Return the blob as a request carries it."""
    data = binascii.b2a_base64(content, newline=False).decode("ascii")
    return InlineBlob(digest=digest, data=data)


def check_protocol(version: int, supported: tuple[int, ...]) -> None:
    """Raise Malformed (`unsupported_version`) for a version of the protocol that is not spoken."""
    if version not in supported:
        raise Malformed(
            f"Version {version} of the protocol is not spoken here.",
            code="unsupported_version",
            pointer="/protocol",
            supported=list(supported),
        )


__all__ = [
    "check_protocol",
    "inline_blob",
    "read_blobs",
    "read_manifest",
    "read_observations",
]
