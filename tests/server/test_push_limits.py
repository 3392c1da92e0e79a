"""One past each limit of a push names the limit (spec/bad-input.md E19)."""

from typing import Any

from door import Door, problem_of, push_body
from driftpin import limits

PUSH = "/agent/snapshots"


async def refused(door: Door, body: object) -> tuple[int, dict[str, Any]]:
    response = await door.post(door.people.agent, PUSH, body)
    status, _ = problem_of(response)
    return status, response.json()


async def test_e19_one_resource_too_many_names_the_limit(greeted: Door) -> None:
    texts = {f"file{number}": "x" for number in range(limits.SNAPSHOT_RESOURCES_MAX + 1)}
    status, problem = await refused(greeted, push_body(seq=1, incarnation=1, **texts))
    assert (status, problem["code"], problem["limit"]) == (413, "too_large", "resources")
    assert problem["maximum"] == limits.SNAPSHOT_RESOURCES_MAX
    texts.popitem()
    response = await greeted.push(seq=1, incarnation=1, **texts)
    assert response.status_code == 200


async def test_e19_a_file_over_its_limit_names_the_limit(greeted: Door) -> None:
    fits = "x" * limits.INSTRUCTION_BYTES_MAX
    assert (await greeted.push(seq=1, AGENTS=fits)).status_code == 200
    status, problem = await refused(greeted, push_body(seq=2, AGENTS=fits + "x"))
    assert (status, problem["code"]) == (413, "too_large")
    assert problem["maximum"] == limits.INSTRUCTION_BYTES_MAX


async def test_e19_texts_that_are_too_much_together_name_the_limit(greeted: Door) -> None:
    size_bytes = limits.INSTRUCTION_BYTES_MAX
    count = limits.SNAPSHOT_TEXT_BYTES_MAX // size_bytes
    texts = {f"file{number}": f"{number:04}".ljust(size_bytes, "x") for number in range(count)}
    assert (await greeted.push(seq=1, incarnation=1, **texts)).status_code == 200
    status, problem = await refused(greeted, push_body(seq=2, incarnation=1, more="x", **texts))
    assert (status, problem["code"]) == (413, "too_large")
    assert problem["maximum"] == limits.SNAPSHOT_TEXT_BYTES_MAX


async def test_e19_a_blob_over_its_limit_names_the_limit(greeted: Door) -> None:
    text = "x" * (limits.SERVER_BLOB_BYTES_MAX + 1)
    body = {"blobs": push_body(AGENTS=text)["blobs"]}
    response = await greeted.post(greeted.people.agent, "/agent/blobs", body)
    assert problem_of(response) == (413, "too_large")
    assert response.json()["limit"] == "blob_bytes"


async def test_e19_observations_over_their_limit_name_the_limit(greeted: Door) -> None:
    long = "x" * limits.SERVER_OBSERVATIONS_BYTES_MAX
    status, problem = await refused(greeted, {**push_body(AGENTS="x"), "observations": {"a": long}})
    assert (status, problem["limit"]) == (413, "observations_bytes")


async def test_e19_a_request_over_its_limit_names_the_limit(greeted: Door) -> None:
    response = await greeted.call(
        greeted.people.agent, "POST", PUSH, content=b" " * (limits.SERVER_PUSH_BODY_BYTES_MAX + 1)
    )
    assert problem_of(response) == (413, "too_large")
    assert response.json()["limit"] == "body_bytes"
