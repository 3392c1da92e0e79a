import json
from pathlib import Path

import pytest

from driftpin.chat.messages import Message, Role, TextPart, user_message
from driftpin.chat.prompt import render_prompt
from driftpin.errors import Rejected, Unavailable
from driftpin.models.port import (
    Finished,
    FinishReason,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCallRequested,
)
from driftpin.models.scripted import SCRIPT_ENDED, ScriptedModel, load_script

STEPS = [
    {"text": "I will look.", "calls": [{"name": "read_skill", "arguments": {"name": "tidy"}}]},
    {"wait_ms": 1_500, "fail": "overloaded", "times": 2, "text": "done"},
]


class Waiter:
    def __init__(self) -> None:
        self.waited_s: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waited_s.append(seconds)


def _script(tmp_path: Path, written: object) -> Path:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(written), encoding="utf-8")
    return path


def _request(answers: int) -> ModelRequest:
    spoken = Message(Role.ASSISTANT, (TextPart("before"),))
    messages = (user_message("go"), *([spoken] * answers))
    return ModelRequest(render_prompt(None, budget_tokens=1_000), None, (), messages)


async def _play(model: ScriptedModel, answers: int) -> list[ModelEvent]:
    return [event async for event in model.stream(_request(answers))]


def _said(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_the_step_that_is_due_follows_from_the_history(tmp_path: Path) -> None:
    model = ScriptedModel(load_script(_script(tmp_path, {"steps": STEPS})))
    first = await _play(model, 0)
    assert first == await _play(ScriptedModel(load_script(tmp_path / "script.json")), 0)
    assert _said(first) == "I will look."
    call = next(event.call for event in first if isinstance(event, ToolCallRequested))
    assert (call.call_id, call.name) == ("scripted-1-1", "read_skill")
    assert json.loads(call.arguments) == {"name": "tidy"}
    assert first[-1] == Finished(FinishReason.TOOL_CALLS)
    assert _said(await _play(model, 2)) == SCRIPT_ENDED


async def test_a_failing_step_fails_as_often_as_told_and_waits_each_time(tmp_path: Path) -> None:
    waiter = Waiter()
    model = ScriptedModel(load_script(_script(tmp_path, {"steps": STEPS})), wait=waiter)
    for _ in range(2):
        with pytest.raises(Unavailable) as failed:
            await _play(model, 1)
        assert failed.value.code == "overloaded"
    assert _said(await _play(model, 1)) == "done"
    assert waiter.waited_s == [1.5, 1.5, 1.5]


@pytest.mark.parametrize(
    "written",
    [
        [],
        {"steps": 1},
        {"steps": [1]},
        {"steps": [{"say": "x"}]},
        {"steps": [{"text": 1}]},
        {"steps": [{"wait_ms": True}]},
        {"steps": [{"calls": [{}]}]},
        {"cases": 1},
        {"cases": [{"steps": []}]},
        {"cases": [{"contains": ["x"]}]},
    ],
)
def test_a_broken_script_is_refused(tmp_path: Path, written: object) -> None:
    with pytest.raises(Rejected) as refused:
        load_script(_script(tmp_path, written))
    assert refused.value.code == "bad_script"


def test_a_missing_script_and_one_that_is_no_json_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.json").write_bytes(b"\xff{")
    for name in ("none.json", "text.json"):
        with pytest.raises(Rejected) as refused:
            load_script(tmp_path / name)
        assert refused.value.code == "bad_script"


@pytest.mark.parametrize(
    ("pieces", "said"), [(["g", "o"], "of the case"), (["go", "stop"], "others")]
)
async def test_a_case_answers_chats_that_begin_with_all_of_its_pieces(
    tmp_path: Path, pieces: list[str], said: str
) -> None:
    case = {"contains": pieces, "steps": [{"text": "of the case"}]}
    script = _script(tmp_path, {"cases": [case], "steps": [{"text": "others"}]})
    assert _said(await _play(ScriptedModel(load_script(script)), 0)) == said
