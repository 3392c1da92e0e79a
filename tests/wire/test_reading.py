import pytest
from pydantic import ValidationError

from driftpin import errors, limits
from driftpin.errors import DriftpinError, Malformed, Rejected
from driftpin.wire.agent import HelloRequest, PushRequest
from driftpin.wire.api import CreateChatRequest, CreateWorkspaceRequest, UpdateChatRequest
from driftpin.wire.problem import STATUSES, error_from, status_of
from driftpin.wire.reading import read_shape, refusal_of

ID = "01900000-0000-7abc-8000-000000000000"


BODY = '{"incarnation": 1, "seq": SEQ, "manifest": {}}'


def refused(body: str) -> DriftpinError:
    with pytest.raises(DriftpinError) as caught:
        read_shape(CreateChatRequest, body.encode())
    return caught.value


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ("[]", "invalid_request", ""),
        ("{}", "invalid_request", "/workspace_id"),
        (f'{{"workspace_id": "{ID}", "x/y": 1}}', "unknown_field", "/x~1y"),
        ('{"workspace_id": "x"}', "bad_id", "/workspace_id"),
        ('{"workspace_id": 7}', "invalid_request", "/workspace_id"),
        (f'{{"workspace_id": "{ID}", "snapshot": "x"}}', "bad_hash", "/snapshot"),
        (f'{{"workspace_id": "{ID}", "title": "a\\u001b"}}', "control_char", "/title"),
        (f'{{"workspace_id": "{ID}", "title": "a\\u0000"}}', "control_char", "/title"),
        (f'{{"workspace_id": "{ID}", "title": "{"x" * 201}"}}', "too_long", "/title"),
        (f'{{"workspace_id": "{ID}", "sources": "x"}}', "invalid_request", "/sources"),
    ],
)
def test_the_first_broken_rule_is_named_with_its_place(body: str, code: str, pointer: str) -> None:
    error = refused(body)
    assert (error.code, error.fields["pointer"]) == (code, pointer)


def test_bad_values_are_not_repeated() -> None:
    error = refused('{"workspace_id": "hunter2"}')
    assert "hunter2" not in error.message + str(error.fields)


def test_no_value_is_coerced() -> None:
    for seq in ('"1"', "1.0", "true", "null"):
        with pytest.raises(Malformed):
            read_shape(
                PushRequest, f'{{"incarnation": 1, "seq": {seq}, "manifest": {{}}}}'.encode()
            )


def test_limits_are_what_they_say() -> None:
    longest = "x" * limits.TITLE_CHARACTERS_MAX
    shape = read_shape(
        CreateChatRequest, f'{{"workspace_id": "{ID}", "title": "{longest}"}}'.encode()
    )
    assert shape.title == longest


def test_what_is_absent_is_told_from_what_is_null() -> None:
    assert read_shape(UpdateChatRequest, b"{}").model_fields_set == set()
    assert read_shape(UpdateChatRequest, b'{"title": null}').model_fields_set == {"title"}


def test_a_refusal_survives_the_way_to_a_client() -> None:
    for family, status in STATUSES:
        refusal = family("why", code="some_code", digests=["a"], seq=7, head=None)
        assert status_of(refusal) == status
        problem = {
            "type": "about:blank",
            "title": "t",
            "status": status,
            "detail": refusal.message,
            "code": refusal.code,
            **refusal.fields,
        }
        raised = error_from(status, problem)
        assert status_of(raised) == status
        assert (raised.code, raised.message, raised.fields) == ("some_code", "why", refusal.fields)


@pytest.mark.parametrize(
    ("status", "code", "family"),
    [
        (409, "need_blobs", errors.BlobsMissing),
        (409, "fenced", errors.PushOutdated),
        (409, "chat_archived", errors.Conflict),
        (412, "head_moved", errors.HeadMoved),
        (412, "precondition_failed", errors.PreconditionFailed),
        (502, "x", errors.Unavailable),
        (418, "x", errors.DriftpinError),
    ],
)
def test_a_problem_becomes_the_most_special_family(
    status: int, code: str, family: type[DriftpinError]
) -> None:
    assert type(error_from(status, {"code": code})) is family


def test_a_validation_error_of_a_list_names_its_limit() -> None:
    with pytest.raises(ValidationError) as caught:
        HelloRequest.model_validate_json('{"run_id": ""}')
    assert refusal_of(caught.value).code == "invalid_request"


def test_names_are_one_line() -> None:
    with pytest.raises(Rejected):
        read_shape(CreateWorkspaceRequest, b'{"name": "a\\nb"}')
