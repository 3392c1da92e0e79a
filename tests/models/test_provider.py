"""Real clients of two providers against a server of our own on the loopback interface."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from driftpin import model_limits
from driftpin.chat.attachments import Attachment
from driftpin.chat.messages import Message, Role, TextPart, ToolCallPart, ToolResultPart
from driftpin.chat.tokens import TokenCounts
from driftpin.errors import DriftpinError, Rejected, Unavailable
from driftpin.models.port import (
    Finished,
    FinishReason,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCallRequested,
    Usage,
)
from driftpin.models.provider import ProviderAccess, ProviderKind, ProviderModel
from driftpin.models.registry import get_model
from models.fake_provider import (
    ARGUMENTS,
    HISTORY,
    VOLATILE,
    FakeProvider,
    Reply,
    a_request,
    serving,
)
from pinned_texts import MakePin


def _openai_stream() -> Reply:
    calls = [
        {"index": 0, "id": "c2", "type": "function", "function": {"name": "read_skill_file"}},
        {"index": 0, "function": {"arguments": ARGUMENTS[:9]}},
        {"index": 0, "function": {"arguments": ARGUMENTS[9:]}},
    ]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "Swe"}, {"content": "pt."}]
    deltas += [{"tool_calls": [call]} for call in calls]
    choices: list[Any] = [{"index": 0, "delta": delta} for delta in deltas]
    chunks: list[dict[str, Any]] = [{"choices": [choice]} for choice in choices]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    cached = {"cached_tokens": 70}
    usage = {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109}
    chunks.append({"choices": [], "usage": {**usage, "prompt_tokens_details": cached}})
    common = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    lines = [f"data: {json.dumps({**common, **chunk})}\n\n" for chunk in chunks]
    return Reply("".join(lines) + "data: [DONE]\n\n")


def _anthropic_stream() -> Reply:
    usage = {"input_tokens": 30, "output_tokens": 1}
    usage |= {"cache_read_input_tokens": 60, "cache_creation_input_tokens": 10}
    message: dict[str, Any] = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
    }
    message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    call = {"type": "tool_use", "id": "c2", "name": "read_skill_file", "input": {}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": text},
            }
            for text in ("Swe", "pt.")
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": call},
        *(
            {
                "type": "content_block_delta",
                "index": 1,
                "delta": {"type": "input_json_delta", "partial_json": part},
            }
            for part in (ARGUMENTS[:9], ARGUMENTS[9:])
        ),
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 9},
        },
        {"type": "message_stop"},
    ]
    lines = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return Reply("".join(lines))


def _refusal(family: str, status: int, code: str) -> Reply:
    error = {"type": code, "code": code, "message": f"secret-key {code}"}
    body = {"error": error} if family == "openai" else {"type": "error", "error": error}
    headers = {"retry-after-ms": "1"}
    return Reply(json.dumps(body), status, "application/json", headers)


STREAMS = {"openai": _openai_stream, "anthropic": _anthropic_stream}
EXPECTED_TOKENS = {"openai": TokenCounts(100, 70, 0, 9), "anthropic": TokenCounts(100, 60, 10, 9)}


def _environment(family: str, url: str) -> dict[str, str]:
    base = f"{url}/v1" if family == "openai" else url
    return {f"{family.upper()}_API_KEY": "secret-key", f"{family.upper()}_BASE_URL": base}


async def _ask(family: str, fake: FakeProvider, request: ModelRequest) -> list[ModelEvent]:
    model = get_model(f"{family}:model-x", _environment(family, fake.url))
    try:
        async with asyncio.timeout(30):
            return [event async for event in model.stream(request)]
    finally:
        await model.close()


@pytest.mark.parametrize("family", STREAMS)
async def test_words_calls_usage_and_end_arrive_as_our_own_events(
    family: str, make_pin: MakePin
) -> None:
    async with serving(STREAMS[family]()) as fake:
        events = await _ask(family, fake, a_request(make_pin))
    call = ToolCallPart("c2", "read_skill_file", ARGUMENTS)
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["Swe", "pt."]
    assert events[-3:] == [
        ToolCallRequested(call),
        Usage(EXPECTED_TOKENS[family]),
        Finished(FinishReason.TOOL_CALLS),
    ]


async def test_an_openai_request_is_tools_prompt_messages_and_volatile_text(
    make_pin: MakePin,
) -> None:
    request = a_request(make_pin)
    async with serving(_openai_stream()) as fake:
        await _ask("openai", fake, request)
    path, headers, body = fake.asked[0]
    assert (path, headers["authorization"]) == ("/v1/chat/completions", "bearer secret-key")
    assert [tool["function"]["name"] for tool in body["tools"]] == ["read_skill", "read_skill_file"]
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "user"]
    assert body["messages"][0]["content"] == request.prompt.text
    assert body["messages"][3]["content"] == "Sweep first."
    assert VOLATILE in json.dumps(body["messages"][4]["content"]).replace("\\n", "\n")
    assert (body["temperature"], body["stream"]) == (0.5, True)


async def test_an_anthropic_request_is_cached_up_to_the_volatile_text(make_pin: MakePin) -> None:
    request = a_request(make_pin)
    async with serving(_anthropic_stream()) as fake:
        await _ask("anthropic", fake, request)
    path, headers, body = fake.asked[0]
    assert path.startswith("/v1/messages")
    assert headers["authorization"] == "bearer secret-key"
    assert body["system"][-1]["text"] == request.prompt.text
    assert "cache_control" in body["system"][-1]
    assert "cache_control" in body["tools"][-1]
    result, volatile = body["messages"][-1]["content"]
    assert result["type"] == "tool_result"
    assert "cache_control" in result
    assert volatile == {"type": "text", "text": VOLATILE}
    assert body["max_tokens"] == 64


async def test_without_volatile_text_the_conversation_is_cached_as_a_whole(
    make_pin: MakePin,
) -> None:
    async with serving(_anthropic_stream()) as fake:
        await _ask("anthropic", fake, a_request(make_pin, volatile=""))
    body = fake.asked[0][2]
    marks = json.dumps(body["messages"]).count("cache_control") + ("cache_control" in body)
    assert marks >= 1


@pytest.mark.parametrize("family", STREAMS)
async def test_an_overloaded_provider_is_asked_again_as_it_hints(
    family: str, make_pin: MakePin
) -> None:
    overloaded = _refusal(family, 429, "rate_limit_exceeded")
    async with serving(overloaded, STREAMS[family]()) as fake:
        events = await _ask(family, fake, a_request(make_pin))
    assert len(fake.asked) == 2
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize("family", STREAMS)
async def test_a_provider_that_stays_overloaded_is_unavailable(
    family: str, make_pin: MakePin
) -> None:
    tries = model_limits.MODEL_RETRIES_MAX + 1
    replies = [_refusal(family, 503, "overloaded_error") for _ in range(tries)]
    async with serving(*replies) as fake:
        with pytest.raises(Unavailable) as failed:
            await _ask(family, fake, a_request(make_pin))
    assert failed.value.code == "model_unavailable"
    assert len(fake.asked) == tries


@pytest.mark.parametrize("family", STREAMS)
@pytest.mark.parametrize(
    ("status", "code"), [(401, "model_key_refused"), (404, "model_unknown"), (400, "model_refused")]
)
async def test_a_refusal_is_ours_and_repeats_nothing_of_the_providers_text(
    family: str, status: int, code: str, make_pin: MakePin
) -> None:
    async with serving(_refusal(family, status, "invalid")) as fake:
        with pytest.raises(Rejected) as failed:
            await _ask(family, fake, a_request(make_pin))
    assert failed.value.code == code
    assert "secret-key" not in f"{failed.value} {failed.value.fields}"


@pytest.mark.parametrize("family", STREAMS)
async def test_an_answer_that_breaks_off_is_unavailable(family: str, make_pin: MakePin) -> None:
    whole = STREAMS[family]()
    broken = Reply("data: {not json\n\n") if family == "openai" else Reply(whole.body[:60])
    async with serving(broken) as fake:
        with pytest.raises(DriftpinError) as failed:
            await _ask(family, fake, a_request(make_pin))
    assert failed.value.code == "model_unavailable"


@pytest.mark.parametrize("family", STREAMS)
async def test_x54_words_without_an_end_are_no_answer(family: str, make_pin: MakePin) -> None:
    whole = STREAMS[family]().body
    assert isinstance(whole, str)
    said = whole.index("pt.")
    cut = Reply(whole[: whole.index("\n\n", said) + 2])
    async with serving(cut) as fake:
        with pytest.raises(Unavailable) as failed:
            await _ask(family, fake, a_request(make_pin))
    assert failed.value.code == "model_unavailable"


async def test_nobody_listening_is_unavailable(make_pin: MakePin) -> None:
    async with serving() as fake:
        pass
    access = ProviderAccess(ProviderKind.ANTHROPIC, "model-x", "secret-key", fake.url)
    model = ProviderModel(access, context_budget_tokens=1_000, retries_max=0)
    with pytest.raises(Unavailable) as failed:
        await anext(model.stream(a_request(make_pin)))
    await model.close()
    assert failed.value.code == "model_unavailable"


def test_the_readable_form_of_an_access_holds_no_key() -> None:
    access = ProviderAccess(ProviderKind.OPENAI, "model-x", "secret-key", "http://user:pw@host")
    assert f"{access!r} {access}" == "ProviderAccess(openai:model-x) ProviderAccess(openai:model-x)"


async def test_gemini_is_asked_with_its_key_and_answers_with_our_events(
    make_pin: MakePin,
) -> None:
    parts = [{"text": "Swept."}, {"functionCall": {"name": "read_skill", "args": {"name": "x"}}}]
    chunk = {
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 50, "candidatesTokenCount": 4, "totalTokenCount": 54},
    }
    async with serving(Reply(f"data: {json.dumps(chunk)}\n\n")) as fake:
        environment = {"GEMINI_API_KEY": "secret-key", "GEMINI_BASE_URL": fake.url}
        model = get_model("google:gemini-x", environment)
        events = [event async for event in model.stream(a_request(make_pin))]
        await model.close()
    path, headers, body = fake.asked[0]
    assert ":streamGenerateContent" in path
    assert headers["x-goog-api-key"] == "secret-key"
    assert [tool["name"] for tool in body["tools"][0]["functionDeclarations"]] == [
        "read_skill",
        "read_skill_file",
    ]
    call = next(event.call for event in events if isinstance(event, ToolCallRequested))
    assert (call.name, json.loads(call.arguments)) == ("read_skill", {"name": "x"})
    assert events[0] == TextDelta("Swept.")
    assert events[-1] == Finished(FinishReason.TOOL_CALLS)


async def test_an_ollama_host_is_asked_at_its_openai_path(make_pin: MakePin) -> None:
    async with serving(_openai_stream()) as fake:
        environment = {"OLLAMA_HOST": fake.url.removeprefix("http://")}
        model = get_model("ollama:llama3", environment)
        events = [event async for event in model.stream(a_request(make_pin))]
        await model.close()
    assert fake.asked[0][0] == "/v1/chat/completions"
    assert isinstance(events[-1], Finished)


async def test_a_message_that_an_interruption_left_empty_is_not_sent(make_pin: MakePin) -> None:
    interrupted = Message(Role.ASSISTANT, (TextPart(""),))
    again = Message(Role.USER, (TextPart("go on"),))
    request = replace(a_request(make_pin), messages=(HISTORY[0], interrupted, again))
    async with serving(_anthropic_stream()) as fake:
        await _ask("anthropic", fake, request)
    assert [message["role"] for message in fake.asked[0][2]["messages"]] == ["user"]


async def test_a_closed_model_can_be_asked_again(make_pin: MakePin) -> None:
    async with serving(_openai_stream(), _openai_stream()) as fake:
        model = get_model("openai:gpt-x", _environment("openai", fake.url))
        for _ in range(2):
            assert [event async for event in model.stream(a_request(make_pin))]
            await model.close()
    assert len(fake.asked) == 2


@pytest.mark.parametrize("family", ["openai", "anthropic"])
async def test_images_of_a_result_are_shown_to_the_model(make_pin: MakePin, family: str) -> None:
    image = Attachment("image/png", "aGk=")
    result = ToolResultPart("c1", "read_skill", "Look.", attachments=(image,))
    history = (*HISTORY[:2], Message(Role.TOOL, (result,)))
    async with serving(STREAMS[family]()) as fake:
        await _ask(family, fake, replace(a_request(make_pin), messages=history))
        sent = json.dumps(fake.asked[0][2])
    assert "Look." in sent
    assert "aGk=" in sent
    assert "image/png" in sent
