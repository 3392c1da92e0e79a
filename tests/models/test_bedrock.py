"""Amazon's own client against a server that speaks its event stream, on the loopback interface."""

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftpin import model_limits
from driftpin.chat.attachments import Attachment
from driftpin.chat.messages import Message, Role, ToolCallPart, ToolResultPart
from driftpin.chat.tokens import TokenCounts
from driftpin.errors import DriftpinError, Rejected, Unavailable
from driftpin.models.aws import AwsAccess
from driftpin.models.port import (
    Finished,
    FinishReason,
    Model,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCallRequested,
    Usage,
)
from driftpin.models.registry import get_model
from models.bedrock_stream import frame, refusal, streamed, whole_answer, words
from models.fake_provider import ARGUMENTS, HISTORY, VOLATILE, FakeProvider, a_request, serving
from models.own_certificate import make_certificate, shown_as
from pinned_texts import MakePin

CLAUDE = "anthropic.claude-haiku-4-5-20251001-v1:0"
LLAMA = "meta.llama3-1-8b-instruct-v1:0"
SIGNED = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret-key",
    "AWS_SESSION_TOKEN": "session-secret",
    "AWS_REGION": "eu-central-1",
}
POINT = {"cachePoint": {"type": "default"}}


def _model(fake: FakeProvider, name: str = CLAUDE, **more: str) -> Model:
    environment = {**SIGNED, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": fake.url, **more}
    return get_model(f"bedrock:{name}", environment)


async def _ask(model: Model, request: ModelRequest) -> list[ModelEvent]:
    try:
        async with asyncio.timeout(60):
            return [event async for event in model.stream(request)]
    finally:
        await model.close()


async def _failure(fake: FakeProvider, request: ModelRequest) -> DriftpinError:
    with pytest.raises(DriftpinError) as failed:
        await _ask(_model(fake), request)
    return failed.value


async def test_words_calls_usage_and_end_arrive_as_our_own_events(make_pin: MakePin) -> None:
    async with serving(whole_answer()) as fake:
        events = await _ask(_model(fake), a_request(make_pin))
    assert events == [
        TextDelta("Swe"),
        TextDelta("pt."),
        ToolCallRequested(ToolCallPart("c2", "read_skill_file", ARGUMENTS)),
        Usage(TokenCounts(100, 60, 10, 9)),
        Finished(FinishReason.TOOL_CALLS),
    ]


async def test_a_request_is_signed_and_cached_up_to_the_volatile_text(make_pin: MakePin) -> None:
    request = a_request(make_pin)
    async with serving(whole_answer()) as fake:
        await _ask(_model(fake), request)
    path, headers, body = fake.asked[0]
    assert path.startswith("/model/anthropic.claude-haiku-4-5-20251001-v1")
    assert path.endswith("/converse-stream")
    assert headers["authorization"].startswith("aws4-hmac-sha256 credential=akidexample/")
    assert "/eu-central-1/bedrock/" in headers["authorization"]
    assert headers["x-amz-security-token"] == "session-secret"
    assert body["system"] == [{"text": request.prompt.text}, POINT]
    *tools, last = body["toolConfig"]["tools"]
    assert [tool["toolSpec"]["name"] for tool in tools] == ["read_skill", "read_skill_file"]
    assert last == POINT
    result, point, volatile = body["messages"][-1]["content"]
    assert result["toolResult"]["content"] == [{"text": "Sweep first."}]
    assert point["cachePoint"]["type"] == "default"
    assert volatile == {"text": VOLATILE}
    assert body["inferenceConfig"] == {"maxTokens": 64, "temperature": 0.5}


async def test_without_volatile_text_the_conversation_is_cached_as_a_whole(
    make_pin: MakePin,
) -> None:
    async with serving(whole_answer()) as fake:
        await _ask(_model(fake), a_request(make_pin, volatile=""))
    assert fake.asked[0][2]["messages"][-1]["content"][-1] == POINT


async def test_a_model_without_a_cache_is_sent_no_marks(make_pin: MakePin) -> None:
    async with serving(whole_answer()) as fake:
        await _ask(_model(fake, LLAMA), a_request(make_pin))
    body = fake.asked[0][2]
    assert "cachePoint" not in json.dumps(body)
    assert VOLATILE in json.dumps(body).replace("\\n", "\n")


async def test_an_api_key_goes_before_a_signing_key(
    make_pin: MakePin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    async with serving(whole_answer(), tls=shown_as(certificate)) as fake:
        await _ask(_model(fake, AWS_BEARER_TOKEN_BEDROCK="api-key"), a_request(make_pin))
    headers = fake.asked[0][1]
    assert headers["authorization"] == "bearer api-key"
    assert "x-amz-security-token" not in headers


async def test_an_api_key_is_never_sent_in_the_clear(make_pin: MakePin) -> None:
    async with serving(whole_answer()) as fake:
        with pytest.raises(Rejected) as refused:
            await _ask(_model(fake, AWS_BEARER_TOKEN_BEDROCK="api-key"), a_request(make_pin))
    assert (refused.value.code, fake.asked) == ("model_refused", [])


async def test_files_of_the_home_directory_decide_nothing(
    make_pin: MakePin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = tmp_path / "config"
    written.write_text(
        "[profile other]\nregion = us-west-2\nendpoint_url = http://127.0.0.1:1\n"
        "aws_access_key_id = AKIDOTHER\naws_secret_access_key = other\n",
        encoding="utf-8",
    )
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(written))
    for profile in ("other", "nobody"):
        monkeypatch.setenv("AWS_PROFILE", profile)
        async with serving(whole_answer()) as fake:
            await _ask(_model(fake), a_request(make_pin))
        assert "akidexample" in fake.asked[0][1]["authorization"]


async def test_images_of_a_result_are_shown_to_the_model(make_pin: MakePin) -> None:
    image = Attachment("image/png", "aGk=")
    result = ToolResultPart("c1", "read_skill", "Look.", attachments=(image,))
    history = (*HISTORY[:2], Message(Role.TOOL, (result,)))
    async with serving(whole_answer()) as fake:
        await _ask(_model(fake), replace(a_request(make_pin), messages=history))
    shown = fake.asked[0][2]["messages"][-1]["content"][0]["toolResult"]["content"]
    assert {"image": {"format": "png", "source": {"bytes": "aGk="}}} in shown


async def test_an_overloaded_provider_is_asked_again_as_it_hints(make_pin: MakePin) -> None:
    overloaded = refusal(429, "ThrottlingException", x_amz_retry_after="1")
    async with serving(overloaded, whole_answer()) as fake:
        events = await _ask(_model(fake), a_request(make_pin))
    assert len(fake.asked) == 2
    assert isinstance(events[-1], Finished)


async def test_a_provider_that_stays_overloaded_is_unavailable(make_pin: MakePin) -> None:
    tries = model_limits.MODEL_RETRIES_MAX + 1
    replies = [refusal(503, "ServiceUnavailableException", retry_after="7") for _ in range(tries)]
    async with serving(*replies) as fake:
        failed = await _failure(fake, a_request(make_pin))
    assert isinstance(failed, Unavailable)
    assert (failed.code, failed.fields["retry_after_s"]) == ("model_unavailable", 7)
    assert len(fake.asked) == tries


@pytest.mark.parametrize(
    ("status", "kind", "text", "code"),
    [
        (403, "UnrecognizedClientException", "secret-key", "model_key_refused"),
        (403, "AccessDeniedException", "secret-key", "model_key_refused"),
        (404, "ResourceNotFoundException", "secret-key", "model_unknown"),
        (400, "ValidationException", "The provided model identifier is invalid.", "model_unknown"),
        (400, "ValidationException", "secret-key is odd", "model_refused"),
        (
            400,
            "ValidationException",
            "Input is too long for requested model.",
            "model_window_exceeded",
        ),
    ],
)
async def test_a_refusal_is_ours_and_repeats_nothing_of_the_providers_text(
    status: int, kind: str, text: str, code: str, make_pin: MakePin
) -> None:
    async with serving(refusal(status, kind, text)) as fake:
        failed = await _failure(fake, a_request(make_pin))
    assert isinstance(failed, Rejected)
    assert failed.code == code
    assert text not in f"{failed} {failed.fields}"


def _damaged() -> bytes:
    first = words("Swe")
    return first + b"".join((first[:40], bytes([first[40] ^ 1]), first[41:]))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(words("Swe", "pt.")[:-20], id="cut_in_a_frame"),
        pytest.param(words("Swe", "pt."), id="cut_between_frames"),
        pytest.param(_damaged(), id="wrong_checksum"),
        pytest.param(b"<html>Bad gateway</html>" * 8, id="no_event_stream"),
        pytest.param(b"", id="nothing"),
        pytest.param(
            words("Swe") + frame("exception", "throttlingException", {"message": "slow down"}),
            id="throttled_in_the_stream",
        ),
        pytest.param(
            words("Swe") + frame("exception", "modelStreamErrorException", {"message": "broke"}),
            id="broken_in_the_stream",
        ),
    ],
)
async def test_x54_an_answer_that_breaks_off_is_unavailable(body: bytes, make_pin: MakePin) -> None:
    async with serving(streamed(body)) as fake:
        failed = await _failure(fake, a_request(make_pin))
    assert failed.code == "model_unavailable"


async def test_x54_nobody_listening_is_unavailable(make_pin: MakePin) -> None:
    async with serving() as fake:
        pass
    failed = await _failure(fake, a_request(make_pin))
    assert failed.code == "model_unavailable"


async def test_x54_who_stops_listening_drops_the_connection(make_pin: MakePin) -> None:
    async with serving(streamed(words("Swe"), stays_open=True)) as fake:
        model = _model(fake)
        async with asyncio.timeout(60), aclosing(model.stream(a_request(make_pin))) as answer:
            assert await anext(answer) == TextDelta("Swe")
        async with asyncio.timeout(60):
            await fake.left.wait()
        await model.close()


async def test_more_chats_than_a_loop_has_threads_by_itself_are_answered_at_once(
    make_pin: MakePin,
) -> None:
    chats = 48
    request = a_request(make_pin)
    async with serving(*[whole_answer() for _ in range(chats)], together=chats) as fake:
        model = _model(fake)

        async def ask() -> Any:
            return [event async for event in model.stream(request)][-1]

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            asked = [group.create_task(ask()) for _ in range(chats)]
        await model.close()
    assert {each.result() for each in asked} == {Finished(FinishReason.TOOL_CALLS)}


async def test_a_closed_model_can_be_asked_again(make_pin: MakePin) -> None:
    async with serving(whole_answer(), whole_answer()) as fake:
        model = _model(fake)
        for _ in range(2):
            assert await _ask(model, a_request(make_pin))


def test_the_readable_form_of_an_access_holds_no_key() -> None:
    access = AwsAccess("eu-central-1", "api-key", "AKIDEXAMPLE", "secret-key", "session-secret")
    assert f"{access!r} {access}" == "AwsAccess(eu-central-1) AwsAccess(eu-central-1)"
