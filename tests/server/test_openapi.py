"""The description of the API."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it has no types

from door import Door, problem_of
from driftpin.wire.problem import PROBLEM_MEDIA_TYPE

OPEN = {"/healthz", "/readyz", "/api/v1", "/api/v1/sign-in", "/sign-in/{code}"}


@pytest.fixture
async def document(door: Door) -> dict[str, Any]:
    described: dict[str, Any] = (await door.http.get("/api/v1/openapi.json")).json()
    return described


def _operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


async def test_it_is_openapi_3_1_with_valid_schemas(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    waiting: list[Any] = [document]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            reference = found.get("$ref")
            if isinstance(reference, str):
                assert reference.removeprefix("#/components/schemas/") in schemas
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)


async def test_every_operation_tells_its_problems_and_who_may_call(
    document: dict[str, Any],
) -> None:
    for name, operation in _operations(document):
        assert PROBLEM_MEDIA_TYPE in operation["responses"]["default"]["content"], name
        assert operation.get("summary"), name
        is_open = name.split(" ")[1] in OPEN
        assert ("security" in operation) is not is_open, name


async def test_every_body_is_described(document: dict[str, Any]) -> None:
    with_body = {name for name, operation in _operations(document) if "requestBody" in operation}
    assert "post /api/v1/chats" in with_body
    assert "put /api/v1/chats/{chat_id}/context" in with_body
    assert "post /api/v1/agent/snapshots" in with_body
    operation = document["paths"]["/api/v1/chats"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/CreateChatRequest"}


async def test_every_answer_with_content_has_a_schema(document: dict[str, Any]) -> None:
    for name, operation in _operations(document):
        for status, response in operation["responses"].items():
            if status.startswith("2") and status != "204":
                assert all("schema" in media for media in response["content"].values()), name


async def test_the_description_is_made_once(door: Door) -> None:
    assert door.app.openapi() is door.app.openapi()


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [
        ("/chats?q=" + "x" * 10_000, "too_long", 422),
        ("/chats?cursor=" + "x" * 2_000, "too_long", 422),
        ("/chats?sort=" + "x" * 2_000, "bad_sort", 400),
        ("/chats/01890000-0000-7000-8000-000000000001/stream?turn=x", "bad_id", 400),
        ("/chats/01890000-0000-7000-8000-000000000001/stream?turn=-1", "bad_id", 400),
    ],
)
async def test_a_parameter_that_cannot_be_read_is_a_problem_that_does_not_repeat_it(
    path: str, code: str, status: int, door: Door
) -> None:
    response = await door.get(door.people.owner, path)
    assert problem_of(response) == (status, code)
    assert "xx" not in response.text
