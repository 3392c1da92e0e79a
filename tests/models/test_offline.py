from collections.abc import Callable

import pytest

from driftpin.chat.messages import (
    Message,
    Role,
    ToolCallPart,
    ToolResultPart,
    parse_arguments,
    user_message,
)
from driftpin.chat.pinned import PinnedContext
from driftpin.chat.prompt import render_prompt
from driftpin.chat.skill_tools import TOOLS, call_skill_tool
from driftpin.identity import digest_of
from driftpin.models.offline import INTRODUCTION, OfflineModel
from driftpin.models.port import (
    Finished,
    FinishReason,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCallRequested,
    Usage,
)

MakePin = Callable[..., PinnedContext]
RULES = "# Rules\nUse tabs for indentation.\nNever push on Fridays.\n"
SKILL = {"SKILL.md": b"---\nname: x\n---\nSweep first.\n", "run.sh": b"echo swept\n"}


def _request(
    pin: PinnedContext | None, *messages: Message, budget_tokens: int = 10_000
) -> ModelRequest:
    prompt = render_prompt(pin, budget_tokens=budget_tokens)
    return ModelRequest(prompt, pin, TOOLS, messages)


async def _events(request: ModelRequest) -> list[ModelEvent]:
    return [event async for event in OfflineModel().stream(request)]


def _said(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_it_says_what_it_is_and_lists_what_it_was_given(make_pin: MakePin) -> None:
    pin = make_pin({"workspace:AGENTS.md": RULES}, {"workspace:skills/sweep": SKILL})
    events = await _events(_request(pin, user_message("hello")))
    said = _said(events)
    assert said.startswith(INTRODUCTION)
    assert f"snapshot {pin.snapshot}, revision 1." in said
    assert f"- workspace:AGENTS.md ({len(RULES)} bytes, {digest_of(RULES.encode())})" in said
    assert "Skills: sweep." in said
    assert "Tools: read_skill, read_skill_file." in said
    assert isinstance(events[-2], Usage)
    assert events[-1] == Finished(FinishReason.STOP)


async def test_it_quotes_the_lines_that_share_words_with_the_question(make_pin: MakePin) -> None:
    pin = make_pin({"workspace:AGENTS.md": RULES})
    said = _said(await _events(_request(pin, user_message("May I push on a friday?"))))
    assert "> Never push on Fridays.\n  (workspace:AGENTS.md)\n" in said
    assert "Use tabs" not in said


async def test_it_quotes_what_the_pin_holds_after_the_question_is_asked_again(
    make_pin: MakePin,
) -> None:
    question = user_message("How do we indent? indentation")
    old = make_pin({"workspace:AGENTS.md": RULES})
    new = make_pin({"workspace:AGENTS.md": RULES.replace("tabs", "spaces")})
    assert "> Use tabs for indentation." in _said(await _events(_request(old, question)))
    assert "> Use spaces for indentation." in _said(await _events(_request(new, question)))


async def test_the_same_request_gets_the_same_events(make_pin: MakePin) -> None:
    request = _request(make_pin({"workspace:AGENTS.md": RULES}), user_message("tabs?"))
    assert await _events(request) == await _events(request)


async def test_it_does_not_quote_what_was_left_out_of_the_prompt(make_pin: MakePin) -> None:
    pin = make_pin({"workspace:AGENTS.md": RULES})
    said = _said(await _events(_request(pin, user_message("push on friday"), budget_tokens=1)))
    assert "not included: workspace:AGENTS.md (over_budget)" in said
    assert "Never push" not in said


async def test_it_says_when_nothing_is_pinned() -> None:
    assert "nothing is pinned" in _said(await _events(_request(None, user_message("hello"))))


@pytest.mark.parametrize(
    ("question", "tool", "quoted"),
    [
        ("read skill sweep please", "read_skill", "> Sweep first."),
        ("use workspace:skills/sweep", "read_skill", "> Sweep first."),
        ("what is run.sh of sweep?", "read_skill_file", "> echo swept"),
    ],
)
async def test_a_skill_that_is_named_is_really_read_and_quoted(
    make_pin: MakePin, question: str, tool: str, quoted: str
) -> None:
    pin = make_pin({"workspace:AGENTS.md": RULES}, {"workspace:skills/sweep": SKILL})
    asked = user_message(question)
    events = await _events(_request(pin, asked))
    assert events[-1] == Finished(FinishReason.TOOL_CALLS)
    call = next(event.call for event in events if isinstance(event, ToolCallRequested))
    assert (call.call_id, call.name) == ("offline-1", tool)
    result = call_skill_tool(pin, call.name, parse_arguments(call))
    answered = Message(
        Role.TOOL, (ToolResultPart(call.call_id, call.name, result.content, result.is_error),)
    )
    history = (asked, Message(Role.ASSISTANT, (call,)), answered)
    said = _said(await _events(_request(pin, *history)))
    assert f"`{tool}` returned from the pin:" in said
    assert quoted in said


async def test_a_failed_call_is_told_with_its_code(make_pin: MakePin) -> None:
    call = ToolCallPart("offline-1", "read_skill", "{}")
    failed = ToolResultPart(
        "offline-1", "read_skill", "gone", is_error=True, code="skill_not_found"
    )
    history = (user_message("x"), Message(Role.ASSISTANT, (call,)), Message(Role.TOOL, (failed,)))
    said = _said(await _events(_request(make_pin(), *history)))
    assert "`read_skill` failed with skill_not_found:" in said


async def test_a_part_of_a_word_names_no_skill(make_pin: MakePin) -> None:
    pin = make_pin(skills={"workspace:skills/sweep": SKILL})
    events = await _events(_request(pin, user_message("the sweeper is sweep-like")))
    assert not [event for event in events if isinstance(event, ToolCallRequested)]
