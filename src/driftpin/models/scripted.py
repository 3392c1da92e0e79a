"""The model that plays a file of steps, for tests and demonstrations. It needs no network.

A script is `{"steps": [...]}`; each step answers one request:

    {"text": "I will look.", "calls": [{"name": "read_skill", "arguments": {"name": "tidy"}}]}
    {"wait_ms": 500, "text": "slowly"}
    {"fail": "overloaded", "times": 2, "text": "at last"}

A script for several chats has cases; the first whose every piece of text stands in the chat's
first message answers, and `steps` beside them answer all others:

    {"cases": [{"contains": ["`scout`"], "steps": [{"text": "Nothing."}]}], "steps": []}

Which step is due follows from the history alone (one per message that a model has already spoken
since the start of the chat), so a turn that another worker takes over goes on where it stopped. A
step with `fail` fails `times` times (once, unless told) and then answers.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from driftpin import model_limits
from driftpin.chat.messages import Role, ToolCallPart
from driftpin.chat.tokens import TokenCounts
from driftpin.context.tokens import estimate_text_tokens
from driftpin.errors import Rejected, Unavailable
from driftpin.models.port import (
    Finished,
    FinishReason,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCallRequested,
    Usage,
)

NAME: Final = "scripted"
SCRIPT_ENDED: Final = "I am `scripted`, a built-in model, and my script has no further step."
CONTEXT_BUDGET_TOKENS: Final = 1_000_000
Value = TypeVar("Value")
_STEP_KEYS: Final = frozenset({"text", "calls", "fail", "times", "wait_ms"})

Wait = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """A tool call to make; `arguments` is JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Step:
    """The answer to one request: wait, fail some times, then speak and call."""

    text: str = ""
    calls: tuple[ScriptedCall, ...] = ()
    fail: str = ""
    fail_times: int = 0
    wait_ms: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """Steps for every chat, and before them those for chats that begin in a certain way."""

    steps: tuple[Step, ...]
    cases: tuple[tuple[tuple[str, ...], tuple[Step, ...]], ...] = ()

    def steps_for(self, opening: str) -> tuple[Step, ...]:
        """Return the steps for a chat whose first message is `opening`."""
        fitting = (
            steps for pieces, steps in self.cases if all(piece in opening for piece in pieces)
        )
        return next(fitting, self.steps)


class ScriptedModel:
    """Plays steps. Failures are counted by this instance, so a chat under test has its own."""

    name = NAME
    context_budget_tokens = CONTEXT_BUDGET_TOKENS

    def __init__(self, script: tuple[Step, ...] | Script, *, wait: Wait = asyncio.sleep) -> None:
        """Play `script`; `wait` is given seconds and injected so that tests need not wait."""
        self._script = script if isinstance(script, Script) else Script(script)
        self._wait = wait
        self._failures: Counter[int] = Counter()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Yield the step that is due, or raise Unavailable with the step's code."""
        number = request.answers_left_out
        number += sum(message.role is Role.ASSISTANT for message in request.messages)
        opening = request.messages[0].text if request.messages else ""
        steps = self._script.steps_for(opening)
        step = steps[number] if number < len(steps) else Step(SCRIPT_ENDED)
        if step.wait_ms:
            await self._wait(step.wait_ms / 1000)
        if self._failures[number] < step.fail_times:
            self._failures[number] += 1
            raise Unavailable(f"The script says: {step.fail}.", code=step.fail)
        for word in _words(step.text):
            yield TextDelta(word)
        for index, call in enumerate(step.calls, start=1):
            call_id = f"scripted-{number + 1}-{index}"
            yield ToolCallRequested(ToolCallPart(call_id, call.name, call.arguments))
        yield Usage(TokenCounts(request.prompt.tokens, 0, 0, estimate_text_tokens(step.text)))
        yield Finished(FinishReason.TOOL_CALLS if step.calls else FinishReason.STOP)

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""


def load_script(path: Path) -> Script:
    """Return what a script file holds, or raise Rejected `bad_script` saying what is wrong."""
    try:
        if path.stat().st_size > model_limits.MODEL_SCRIPT_BYTES_MAX:
            raise Rejected("The script is too large.", code="bad_script")
        written = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Rejected("The script cannot be read as JSON.", code="bad_script") from error
    if not isinstance(written, dict):
        raise _no_script()
    cases = written.get("cases", [])
    if not isinstance(cases, list):
        raise _no_script()
    steps = () if cases and "steps" not in written else _steps(written)
    return Script(steps, tuple(_case(case) for case in cases))


def _no_script() -> Rejected:
    return Rejected('A script is an object with a list of "steps".', code="bad_script")


def _case(written: Any) -> tuple[tuple[str, ...], tuple[Step, ...]]:
    pieces = written.get("contains") if isinstance(written, dict) else None
    if not isinstance(pieces, list) or not all(isinstance(piece, str) for piece in pieces):
        raise Rejected('A case of a script has a list of texts, "contains".', code="bad_script")
    return tuple(pieces), _steps(written)


def _steps(written: dict[str, Any]) -> tuple[Step, ...]:
    steps = written.get("steps")
    if not isinstance(steps, list):
        raise _no_script()
    return tuple(_step(step, number) for number, step in enumerate(steps, start=1))


def _step(written: Any, number: int) -> Step:
    if not isinstance(written, dict) or not written.keys() <= _STEP_KEYS:
        raise _refusal(number, f"has keys other than {', '.join(sorted(_STEP_KEYS))}")
    fail = _typed(written, "fail", "", number)
    calls: list[object] = _typed(written, "calls", [], number)
    return Step(
        text=_typed(written, "text", "", number),
        calls=tuple(_call(call, number) for call in calls),
        fail=fail,
        fail_times=_typed(written, "times", 1, number) if fail else 0,
        wait_ms=_typed(written, "wait_ms", 0, number),
    )


def _call(written: Any, number: int) -> ScriptedCall:
    if not isinstance(written, dict) or not isinstance(written.get("name"), str):
        raise _refusal(number, "has a call without a name")
    return ScriptedCall(written["name"], json.dumps(written.get("arguments", {})))


def _typed(written: dict[str, Any], key: str, default: Value, number: int) -> Value:
    value = written.get(key, default)
    if type(value) is not type(default):
        raise _refusal(number, f"has a {key!r} that is no {type(default).__name__}")
    return value


def _refusal(number: int, why: str) -> Rejected:
    return Rejected(f"Step {number} {why}.", code="bad_script", step=number)


def _words(text: str) -> list[str]:
    """Return the text in pieces that end after a space, as a stream of deltas."""
    return [piece for piece in text.replace(" ", " \0").split("\0") if piece]


__all__ = [
    "NAME",
    "SCRIPT_ENDED",
    "Script",
    "ScriptedCall",
    "ScriptedModel",
    "Step",
    "Wait",
    "load_script",
]
