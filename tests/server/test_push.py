"""The push protocol at the HTTP door (spec/bad-input.md E)."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from door import Door, file_entry, problem_of, push_body
from driftpin import limits
from driftpin.identity import digest_of

Change = Callable[[dict[str, Any]], None]
PUSH = "/agent/snapshots"


async def refused(door: Door, body: object) -> tuple[int, dict[str, Any]]:
    response = await door.post(door.people.agent, PUSH, body)
    status, _ = problem_of(response)
    return status, response.json()


async def nothing_is_stored(door: Door) -> bool:
    agent = (await door.get(door.people.owner, f"/agents/{door.people.agent_id}")).json()
    return agent["head"] is None


async def test_a_push_is_accepted_and_is_the_head(greeted: Door) -> None:
    response = await greeted.push(AGENTS="be kind")
    assert response.status_code == 200
    assert response.json()["result"] == "accepted"
    agent = (await greeted.get(greeted.people.owner, f"/agents/{greeted.people.agent_id}")).json()
    assert agent["head"]["digest"] == response.json()["head"]["digest"]


async def test_e1_a_push_before_hello_is_hello_required(door: Door) -> None:
    assert problem_of(await door.push(AGENTS="x")) == (409, "hello_required")


async def test_e2_an_unknown_version_names_the_ones_that_are_spoken(greeted: Door) -> None:
    body = push_body(AGENTS="x")
    body["manifest"]["v"] = 2
    status, problem = await refused(greeted, body)
    assert (status, problem["code"], problem["supported"]) == (400, "unsupported_version", [1])
    response = await greeted.post(
        greeted.people.agent, "/agent/hello", {"run_id": "r", "protocol": 9}
    )
    assert problem_of(response) == (400, "unsupported_version")
    assert response.json()["supported"] == [1]


@pytest.mark.parametrize(
    ("place", "pointer"),
    [
        pytest.param((), "/surprise", id="in-the-body"),
        pytest.param(("manifest",), "/manifest/surprise", id="in-the-manifest"),
        pytest.param(
            ("manifest", "resources", 0), "/manifest/resources/0/surprise", id="in-a-resource"
        ),
        pytest.param(("blobs", 0), "/blobs/0/surprise", id="in-a-blob"),
    ],
)
async def test_e3_an_unknown_field_is_refused_anywhere(
    greeted: Door, place: tuple[str | int, ...], pointer: str
) -> None:
    body = push_body(AGENTS="x")
    target: Any = body
    for step in place:
        target = target[step]
    target["surprise"] = 1
    status, problem = await refused(greeted, body)
    assert (status, problem["code"], problem["pointer"]) == (400, "unknown_field", pointer)


@pytest.mark.parametrize("name", ["seq", "incarnation", "manifest"])
async def test_e4_a_missing_field_is_named_by_its_pointer(greeted: Door, name: str) -> None:
    body = push_body(AGENTS="x")
    del body[name]
    status, problem = await refused(greeted, body)
    assert (status, problem["code"], problem["pointer"]) == (400, "invalid_request", f"/{name}")


@pytest.mark.parametrize("name", ["kind", "source", "status", "reason"])
async def test_e4_a_missing_field_of_a_resource_is_named_too(greeted: Door, name: str) -> None:
    body = push_body(AGENTS="x")
    del body["manifest"]["resources"][0][name]
    status, problem = await refused(greeted, body)
    assert (status, problem["code"]) == (400, "invalid_request")
    assert problem["pointer"] == f"/manifest/resources/0/{name}"


@pytest.mark.parametrize("seq", [0, -1, 1.0, "1", True, 2**63, 2**64, None, [1]])
async def test_e5_what_is_no_sequence_number_is_refused(greeted: Door, seq: object) -> None:
    status, problem = await refused(greeted, {**push_body(AGENTS="x"), "seq": seq})
    assert (status, problem["code"], problem["pointer"]) == (400, "invalid_request", "/seq")


async def test_e6_the_same_push_again_is_a_duplicate(greeted: Door) -> None:
    await greeted.push(AGENTS="x")
    _, before = await greeted.services.store.first_and_last_position(greeted.people.owner)
    again = await greeted.push(AGENTS="x")
    _, after = await greeted.services.store.first_and_last_position(greeted.people.owner)
    assert again.json()["result"] == "duplicate"
    assert before == after


async def test_e7_another_push_of_the_same_sequence_is_a_conflict(greeted: Door) -> None:
    await greeted.push(AGENTS="x")
    assert problem_of(await greeted.push(AGENTS="y")) == (409, "seq_conflict")


async def test_e8_a_lower_sequence_is_stale_and_told_the_head(greeted: Door) -> None:
    held = (await greeted.push(seq=5, AGENTS="x")).json()["head"]
    response = await greeted.push(seq=4, AGENTS="y")
    assert problem_of(response) == (409, "stale")
    problem = response.json()
    assert (problem["head"], problem["seq"]) == (held["digest"], 5)


async def test_e9_a_gap_is_accepted_and_a_jump_is_not(greeted: Door) -> None:
    assert (await greeted.push(seq=1_000, AGENTS="x")).status_code == 200
    far = 1_001 + limits.SEQ_JUMP_MAX
    assert problem_of(await greeted.push(seq=far, AGENTS="y")) == (422, "seq_jump")


async def test_e10_an_older_incarnation_is_fenced(greeted: Door) -> None:
    await greeted.hello("a newer run")
    assert problem_of(await greeted.push(incarnation=1, AGENTS="x")) == (409, "fenced")


async def test_e11_a_recorded_push_is_fenced_after_a_new_hello(greeted: Door) -> None:
    recorded = push_body(AGENTS="x")
    await greeted.post(greeted.people.agent, PUSH, recorded)
    await greeted.hello("a newer run")
    status, problem = await refused(greeted, recorded)
    assert (status, problem["code"]) == (409, "fenced")


async def test_e12_a_wrong_digest_of_the_whole_stores_nothing(greeted: Door) -> None:
    body = {**push_body(AGENTS="x"), "digest": digest_of(b"another")}
    status, problem = await refused(greeted, body)
    assert (status, problem["code"]) == (422, "hash_mismatch")
    assert await nothing_is_stored(greeted)


async def test_e13_wrong_bytes_of_one_resource_name_its_source(greeted: Door) -> None:
    body = push_body(AGENTS="x")
    body["blobs"][0]["data"] = "eQ=="
    status, problem = await refused(greeted, body)
    assert (status, problem["code"]) == (422, "hash_mismatch")
    assert problem["source"] == "workspace:AGENTS.md"
    assert await nothing_is_stored(greeted)


@pytest.mark.parametrize(
    "digest", ["", "sha256:abc", "sha256:" + "g" * 64, "SHA256:" + "a" * 64, "a" * 64, 7, None]
)
async def test_e14_what_is_no_digest_is_a_bad_hash(greeted: Door, digest: object) -> None:
    body = push_body(AGENTS="x")
    body["manifest"]["resources"][0]["digest"] = digest
    status, problem = await refused(greeted, body)
    assert (status, problem["code"]) == (400, "bad_hash")
    assert problem["pointer"] == "/manifest/resources/0/digest"


async def test_e15_a_source_that_stands_twice_is_refused(greeted: Door) -> None:
    body = push_body(AGENTS="x")
    del body["digest"]
    body["manifest"]["resources"] *= 2
    status, problem = await refused(greeted, body)
    assert (status, problem["code"]) == (422, "duplicate_source")
    assert problem["source"] == "workspace:AGENTS.md"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("", id="empty"),
        pytest.param("workspace:", id="no-path"),
        pytest.param("AGENTS.md", id="no-label"),
        pytest.param("workspace:a\nb", id="control"),
        pytest.param("workspace:a\x85b", id="c1-control"),
        pytest.param("workspace:" + "é" * 508, id="1026-bytes"),
        pytest.param("workspace:../AGENTS.md", id="dotted"),
        pytest.param("workspace:a/./b", id="dot"),
        pytest.param("workspace:/etc/passwd", id="absolute"),
        pytest.param("workspace:a//b", id="empty-part"),
        pytest.param("mcp:github", id="a-server's-label"),
    ],
)
async def test_e16_a_bad_source_is_refused(greeted: Door, source: str) -> None:
    body = push_body(AGENTS="x")
    body["manifest"]["resources"][0]["source"] = source
    status, problem = await refused(greeted, body)
    assert (status, problem["code"]) == (422, "bad_source")


@pytest.mark.parametrize(("name", "code"), [("kind", "unknown_kind"), ("status", "unknown_status")])
async def test_e17_unknown_words_are_refused(greeted: Door, name: str, code: str) -> None:
    body = push_body(AGENTS="x")
    body["manifest"]["resources"][0][name] = "splendid"
    status, problem = await refused(greeted, body)
    assert (status, problem["code"]) == (422, code)


def _drop_digest(entry: dict[str, Any]) -> None:
    del entry["digest"]


def _say_invalid(entry: dict[str, Any]) -> None:
    entry |= {"status": "invalid", "reason": "not_utf8"}


def _give_reason(entry: dict[str, Any]) -> None:
    entry["reason"] = "not_utf8"


def _invalid_without_reason(entry: dict[str, Any]) -> None:
    del entry["digest"]
    entry["status"] = "invalid"


def _other_kind(entry: dict[str, Any]) -> None:
    entry["kind"] = "mcp_config"


@pytest.mark.parametrize(
    "change",
    [_drop_digest, _say_invalid, _give_reason, _invalid_without_reason, _other_kind],
)
async def test_e18_status_and_body_must_agree(greeted: Door, change: Change) -> None:
    body = push_body(AGENTS="x")
    change(body["manifest"]["resources"][0])
    status, problem = await refused(greeted, body)
    assert (status, problem["code"]) == (422, "inconsistent_resource")
    assert problem["source"] == "workspace:AGENTS.md"


async def test_e20_unknown_blobs_are_asked_for_by_digest(greeted: Door) -> None:
    body = {**push_body(AGENTS="x"), "blobs": []}
    status, problem = await refused(greeted, body)
    assert (status, problem["code"]) == (409, "need_blobs")
    assert problem["digests"] == [digest_of(b"x")]


async def test_e21_a_blob_of_another_workspace_is_as_unknown_as_any(greeted: Door) -> None:
    foreign = greeted.people.foreign_agent
    await greeted.post(foreign, "/agent/hello", {"run_id": "r"})
    offered = {"blobs": push_body(AGENTS="theirs")["blobs"]}
    assert (await greeted.post(foreign, "/agent/blobs", offered)).status_code == 200
    known = await greeted.post(
        greeted.people.agent, PUSH, {**push_body(AGENTS="theirs"), "blobs": []}
    )
    unknown = await greeted.post(
        greeted.people.agent, PUSH, {**push_body(AGENTS="nobody"), "blobs": []}
    )
    replaced = known.content.replace(digest_of(b"theirs").encode(), digest_of(b"nobody").encode())
    assert replaced == unknown.content


async def test_e22_an_agent_id_in_the_body_is_an_unknown_field(greeted: Door) -> None:
    body = {**push_body(AGENTS="x"), "agent_id": greeted.people.foreign_agent_id}
    status, problem = await refused(greeted, body)
    assert (status, problem["code"], problem["pointer"]) == (400, "unknown_field", "/agent_id")


async def test_e23_an_empty_list_is_a_real_snapshot(greeted: Door) -> None:
    await greeted.push(seq=1, AGENTS="x")
    chat = await greeted.chat()
    assert (await greeted.push(seq=2)).json()["result"] == "accepted"
    shown = (await greeted.get(greeted.people.owner, f"/chats/{chat['id']}")).json()
    assert shown["context"]["dirty"] is True


async def test_e24_a_deleted_agent_is_gone(greeted: Door) -> None:
    body = push_body(AGENTS="x")
    await greeted.token_of(greeted.people.agent)
    await greeted.call(greeted.people.owner, "DELETE", f"/agents/{greeted.people.agent_id}")
    assert problem_of(await greeted.post(greeted.people.agent, PUSH, body)) == (410, "agent_gone")


async def test_e24_an_agent_of_a_deleted_workspace_is_gone(greeted: Door) -> None:
    body = push_body(AGENTS="x")
    await greeted.token_of(greeted.people.agent)
    await greeted.call(greeted.people.owner, "DELETE", f"/workspaces/{greeted.people.workspace_id}")
    assert problem_of(await greeted.post(greeted.people.agent, PUSH, body)) == (410, "agent_gone")


async def test_e25_too_many_pushes_are_limited_for_a_while(greeted: Door) -> None:
    agent_id = greeted.people.agent_id
    for _ in range(limits.PUSHES_BURST_MAX):
        greeted.services.gate.count_push(agent_id)
    response = await greeted.push(AGENTS="x")
    assert problem_of(response) == (429, "rate_limited")
    assert int(response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("cut", [1, 100, -1])
async def test_e26_a_body_cut_in_the_middle_stores_nothing(greeted: Door, cut: int) -> None:
    content = json.dumps(push_body(AGENTS="x")).encode()[:cut]
    response = await greeted.call(greeted.people.agent, "POST", PUSH, content=content)
    assert problem_of(response) == (400, "bad_json")
    assert await nothing_is_stored(greeted)


async def test_e27_a_compressed_bomb_is_too_large(greeted: Door) -> None:
    bomb = gzip.compress(b" " * (4 * limits.SERVER_PUSH_BODY_BYTES_MAX))
    response = await greeted.call(
        greeted.people.agent, "POST", PUSH, content=bomb, headers={"Content-Encoding": "gzip"}
    )
    assert problem_of(response) == (413, "too_large")


async def test_a_compressed_push_is_accepted(greeted: Door) -> None:
    content = gzip.compress(json.dumps(push_body(AGENTS="x")).encode())
    response = await greeted.call(
        greeted.people.agent, "POST", PUSH, content=content, headers={"Content-Encoding": "gzip"}
    )
    assert response.status_code == 200


async def test_e28_far_timestamps_in_observations_order_nothing(greeted: Door) -> None:
    body = {**push_body(AGENTS="x"), "observations": {"at": "9999-12-31T23:59:59Z"}}
    assert (await greeted.post(greeted.people.agent, PUSH, body)).status_code == 200
    agent = (await greeted.get(greeted.people.owner, f"/agents/{greeted.people.agent_id}")).json()
    assert agent["head_at"].startswith("2026-01-01")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b'{"seq": 1, "seq": 2}', "duplicate_key", id="e29"),
        pytest.param(b'{"seq": NaN}', "bad_json", id="e30-nan"),
        pytest.param(b'{"seq": 1e400}', "bad_json", id="e30-1e400"),
        pytest.param(b"[" * 65 + b"]" * 65, "too_deep", id="e30-depth"),
        pytest.param(b'{"seq": ' + b"9" * 5_000 + b"}", "bad_json", id="e30-digits"),
    ],
)
async def test_e29_e30_odd_json_is_refused(greeted: Door, content: bytes, code: str) -> None:
    response = await greeted.call(greeted.people.agent, "POST", PUSH, content=content)
    assert problem_of(response) == (400, code)


async def test_a_manifest_in_any_order_gives_the_same_snapshot(greeted: Door) -> None:
    first = await greeted.push(seq=1, AGENTS="x", CLAUDE="y")
    body = push_body(seq=2, AGENTS="x", CLAUDE="y")
    body["manifest"]["resources"].reverse()
    second = await greeted.post(greeted.people.agent, PUSH, body)
    assert second.json()["result"] == "unchanged"
    assert second.json()["head"]["digest"] == first.json()["head"]["digest"]


async def test_uploaded_blobs_need_not_come_along(greeted: Door) -> None:
    body = push_body(AGENTS="x")
    stored = await greeted.post(greeted.people.agent, "/agent/blobs", {"blobs": body["blobs"]})
    assert stored.json() == {"stored": [digest_of(b"x")]}
    response = await greeted.post(greeted.people.agent, PUSH, {**body, "blobs": []})
    assert response.json()["result"] == "accepted"


async def test_what_is_listed_but_not_ok_keeps_its_place(greeted: Door) -> None:
    body = push_body()
    del body["digest"]
    broken = file_entry() | {"status": "invalid", "reason": "not_utf8"}
    del broken["digest"]
    body["manifest"]["resources"] = [broken]
    assert (await greeted.post(greeted.people.agent, PUSH, body)).status_code == 200
    workspace_id = greeted.people.workspace_id
    head = (await greeted.get(greeted.people.owner, f"/workspaces/{workspace_id}/context")).json()
    assert [(r["status"], r["reason"]) for r in head["resources"]] == [("invalid", "not_utf8")]
