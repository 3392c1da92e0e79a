"""What a push must be as a whole, and the bytes that come along with it."""

import json
from typing import Any

import pytest

from driftpin import limits
from driftpin.context.manifest import snapshot_of
from driftpin.context.resource import InstructionBody, Kind, Resource, Status
from driftpin.errors import DriftpinError, Malformed, Rejected, TooLarge
from driftpin.identity import Digest, digest_of
from driftpin.wire.agent import InlineBlob
from driftpin.wire.push import (
    check_protocol,
    inline_blob,
    read_blobs,
    read_manifest,
    read_observations,
)

BODY = b"be kind"
D = digest_of(BODY)


def resource(number: int, status: Status = Status.OK) -> Resource:
    is_ok = status is Status.OK
    return Resource(
        kind=Kind.INSTRUCTION_FILE,
        source=f"workspace:{number:04}.md",
        status=status,
        reason="" if is_ok else "not_utf8",
        body=InstructionBody(D) if is_ok else None,
    )


def manifest_of(*resources: Resource) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(snapshot_of(resources).manifest)
    return manifest


def refused(manifest: dict[str, Any], claimed: Digest | None = None) -> DriftpinError:
    with pytest.raises(DriftpinError) as caught:
        read_manifest(manifest, claimed)
    return caught.value


def test_a_manifest_is_read_into_the_snapshot_it_was_written_from() -> None:
    snapshot = snapshot_of([resource(0), resource(1), resource(2, Status.INVALID)])
    assert read_manifest(json.loads(snapshot.manifest)) == snapshot
    assert read_manifest(json.loads(snapshot.manifest), snapshot.digest) == snapshot


def test_e12_another_digest_than_the_claimed_one_is_told() -> None:
    refusal = refused(manifest_of(resource(0)), D)
    assert (type(refusal), refusal.code) == (Rejected, "hash_mismatch")
    snapshot = snapshot_of([resource(0)])
    assert refusal.fields == {"pointer": "/digest", "digest": snapshot.digest}


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 1.5])
def test_another_version_of_the_manifest_is_not_spoken(version: object) -> None:
    refusal = refused({**manifest_of(), "v": version})
    assert (type(refusal), refusal.code) == (Malformed, "unsupported_version")
    assert refusal.fields == {"pointer": "/manifest/v", "supported": [1]}


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        ({"resources": []}, "invalid_request"),
        ({"v": 1}, "invalid_request"),
        ({"v": 1, "resources": {}}, "invalid_request"),
        ({"v": 1, "resources": [7]}, "invalid_request"),
        ({"v": 1, "resources": [], "more": 1}, "unknown_field"),
    ],
)
def test_a_manifest_of_another_shape_is_malformed(manifest: dict[str, Any], code: str) -> None:
    refusal = refused(manifest)
    assert (type(refusal), refusal.code) == (Malformed, code)


def test_e15_the_second_of_two_entries_with_one_source_is_named() -> None:
    manifest = manifest_of(resource(0), resource(1))
    manifest["resources"][1]["source"] = manifest["resources"][0]["source"]
    refusal = refused(manifest)
    assert (type(refusal), refusal.code) == (Rejected, "duplicate_source")
    assert refusal.fields == {
        "source": "workspace:0000.md",
        "pointer": "/manifest/resources/1/source",
    }


@pytest.mark.parametrize(
    ("status", "maximum", "limit"),
    [
        (Status.OK, limits.SNAPSHOT_RESOURCES_MAX, "resources"),
        (Status.INVALID, limits.SERVER_RESOURCES_LISTED_MAX, "resources_listed"),
    ],
)
def test_e19_as_many_resources_as_the_limit_pass_and_one_more_is_refused(
    status: Status, maximum: int, limit: str
) -> None:
    full = [resource(number, status) for number in range(maximum)]
    assert len(read_manifest(manifest_of(*full)).resources) == maximum
    refusal = refused(manifest_of(*full, resource(maximum, status)))
    assert isinstance(refusal, TooLarge)
    assert refusal.fields == {"limit": limit, "maximum": maximum, "found": maximum + 1}


def test_bytes_that_come_along_are_read_as_they_were_written() -> None:
    carried = [inline_blob(digest_of(content), content) for content in (BODY, b"", b"\0\xff")]
    assert read_blobs(carried) == tuple((digest_of(each), each) for each in (BODY, b"", b"\0\xff"))


@pytest.mark.parametrize("data", ["é", "YQ", "YQ=", "Y Q==", "YQ==\n", "YQ==YQ==", "_-8="])
def test_what_is_not_standard_base64_is_malformed_with_its_place(data: str) -> None:
    fine = inline_blob(D, BODY)
    with pytest.raises(Malformed) as caught:
        read_blobs([fine, InlineBlob(digest=D, data=data)])
    assert caught.value.code == "invalid_request"
    assert caught.value.fields["pointer"] == "/blobs/1/data"


def test_e13_bytes_with_another_digest_name_the_source_that_wants_them() -> None:
    carried = [inline_blob(D, b"something else")]
    with pytest.raises(Rejected) as caught:
        read_blobs(carried, snapshot_of([resource(3)]))
    assert caught.value.code == "hash_mismatch"
    assert caught.value.fields == {
        "source": "workspace:0003.md",
        "digest": D,
        "pointer": "/blobs/0",
    }
    with pytest.raises(Rejected) as caught:
        read_blobs(carried)
    assert caught.value.fields["source"] == ""


def test_e19_a_blob_as_large_as_the_limit_passes_and_a_byte_more_is_refused() -> None:
    largest = b"x" * limits.SERVER_BLOB_BYTES_MAX
    assert read_blobs([inline_blob(digest_of(largest), largest)])[0][1] == largest
    with pytest.raises(TooLarge) as caught:
        read_blobs([inline_blob(D, largest + b"x")], snapshot_of([resource(3)]))
    assert caught.value.fields["limit"] == "blob_bytes"
    assert caught.value.fields["source"] == "workspace:0003.md"


def test_as_many_blobs_as_the_limit_pass_and_one_more_is_refused() -> None:
    full = [inline_blob(D, BODY)] * limits.SERVER_BLOBS_PER_REQUEST_MAX
    assert len(read_blobs(full)) == limits.SERVER_BLOBS_PER_REQUEST_MAX
    with pytest.raises(TooLarge) as caught:
        read_blobs([*full, inline_blob(D, BODY)])
    assert caught.value.fields["limit"] == "blobs_per_request"


def test_observations_are_kept_as_they_came_up_to_their_limit() -> None:
    # Each of the letters takes two bytes, and the frame around them nine.
    letters = (limits.SERVER_OBSERVATIONS_BYTES_MAX - 10) // 2
    fitting: dict[str, Any] = {"é": "é" * letters}
    size = len(json.dumps(fitting, ensure_ascii=False).encode())
    assert limits.SERVER_OBSERVATIONS_BYTES_MAX - 2 < size <= limits.SERVER_OBSERVATIONS_BYTES_MAX
    assert read_observations(fitting) is fitting
    with pytest.raises(TooLarge) as caught:
        read_observations({"é": "é" * (letters + 1)})
    assert caught.value.fields["limit"] == "observations_bytes"


def test_a_version_of_the_protocol_is_spoken_or_those_that_are_are_told() -> None:
    check_protocol(2, (1, 2))
    with pytest.raises(Malformed) as caught:
        check_protocol(3, (1, 2))
    assert caught.value.code == "unsupported_version"
    assert caught.value.fields == {"pointer": "/protocol", "supported": [1, 2]}
