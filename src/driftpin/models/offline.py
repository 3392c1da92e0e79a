"""The model that needs no network: it answers with what it was given, and says that it does.

The same request always gets the same answer. It lists the pin's files, quotes the lines that share
words with the question, and when the question names a pinned skill it really calls the skill tools
and quotes what came back. So a pin can be tried, and shown, without a key.
"""

import json
import re
from collections.abc import AsyncGenerator, Iterator
from typing import Final

from driftpin.chat.cleaning import clean_text
from driftpin.chat.messages import Message, Role, ToolCallPart, ToolResultPart
from driftpin.chat.pinned import PinnedSkill, instruction_files, skills
from driftpin.chat.skill_index import offered_names
from driftpin.chat.skill_tools import READ_SKILL, READ_SKILL_FILE
from driftpin.chat.tokens import TokenCounts
from driftpin.context.tokens import estimate_text_tokens
from driftpin.identity import Digest
from driftpin.models.port import (
    Finished,
    FinishReason,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCallRequested,
    Usage,
)

NAME: Final = "offline"
INTRODUCTION: Final = (
    "I am `offline`, the built-in model without a network. I do not think; I answer with what I "
    "was given."
)
CONTEXT_BUDGET_TOKENS: Final = 1_000_000
QUOTED_LINES_MAX: Final = 12
_KEYWORD_LETTERS_MIN: Final = 3
_WORD: Final = re.compile(r"\w+")
_SMALL_WORDS: Final = frozenset(
    _WORD.findall(
        "about and any are can could did does for from has have how into its may must not of our "
        "please shall should that the their them then there these they this those was were what "
        "when where which who why will with would you your"
    )
)


class OfflineModel:
    """See the module; holds nothing."""

    name = NAME
    context_budget_tokens = CONTEXT_BUDGET_TOKENS

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Yield the answer line by line, or one call of a skill tool."""
        call = _skill_call(request)
        text = "" if call else "\n".join(_answer(request)) + "\n"
        for line in text.splitlines(keepends=True):
            yield TextDelta(line)
        if call:
            yield ToolCallRequested(call)
        yield Usage(TokenCounts(_input_tokens(request), 0, 0, estimate_text_tokens(text)))
        yield Finished(FinishReason.TOOL_CALLS if call else FinishReason.STOP)

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""


def _answer(request: ModelRequest) -> Iterator[str]:
    yield INTRODUCTION
    results = _latest_results(request.messages)
    if results:
        for result in results:
            yield from _quoted_result(result)
        return
    yield ""
    yield from _context_lines(request)
    question = _question(request.messages)
    yield ""
    yield from _relevant_lines(request, question)
    yield ""
    yield from _offered(request)


def _context_lines(request: ModelRequest) -> Iterator[str]:
    context = request.context
    if context is None:
        yield "My context: nothing is pinned, the workspace has not published anything yet."
        return
    yield f"My context: snapshot {context.snapshot}, revision {context.revision}."
    given = _given(request)
    for source, digest, content in given:
        yield f"- {source} ({len(content)} bytes, {digest})"
    if not given:
        yield "- no instruction files"
    for left_out in request.prompt.left_out:
        yield f"- not included: {left_out.source} ({left_out.reason})"


def _relevant_lines(request: ModelRequest, question: str) -> Iterator[str]:
    words = _keywords(question)
    scored = [
        (len(words & _keywords(line)), source, line)
        for source, _, content in _given(request)
        for line in clean_text(content.decode(errors="replace")).split("\n")
    ]
    matching = sorted((hit for hit in scored if hit[0]), key=lambda hit: -hit[0])
    if not matching:
        yield "No line of the pinned instruction files shares a word with your question."
        return
    yield "What the pinned instruction files say about it, word for word:"
    for _, source, line in matching[:QUOTED_LINES_MAX]:
        yield f"> {line.strip()}"
        yield f"  ({source})"
    if len(matching) > QUOTED_LINES_MAX:
        yield f"and {len(matching) - QUOTED_LINES_MAX} more lines."


def _offered(request: ModelRequest) -> Iterator[str]:
    found = _skills(request)
    names = offered_names(found)
    listed = ", ".join(names[skill.source] for skill in found) or "none"
    yield f"Skills: {listed}. Name one and I read it."
    yield f"Tools: {', '.join(tool.name for tool in request.tools) or 'none'}."
    yield (
        f"Prompt: {len(request.prompt.text.encode())} bytes, about {request.prompt.tokens} tokens, "
        f"{request.prompt.digest}."
    )


def _quoted_result(result: ToolResultPart) -> Iterator[str]:
    yield ""
    outcome = f"failed with {result.code}" if result.is_error else "returned from the pin"
    yield f"`{result.name}` {outcome}:"
    yield from (f"> {line}".rstrip() for line in result.content.split("\n"))


def _skill_call(request: ModelRequest) -> ToolCallPart | None:
    """Return the call that the question asks for, unless it was already answered."""
    if _latest_results(request.messages):
        return None
    question = _question(request.messages)
    skill = _skill_named_in(question, request)
    if skill is None:
        return None
    arguments = {"name": skill.source}
    path = next((f.path for f in skill.body.files if _names(question, f.path)), None)
    if path is not None:
        arguments["path"] = path
    tool = READ_SKILL if path is None else READ_SKILL_FILE
    if tool not in {definition.name for definition in request.tools}:
        return None
    number = sum(len(message.calls) for message in request.messages) + 1
    written = json.dumps(arguments, ensure_ascii=False)
    return ToolCallPart(f"offline-{number}", tool, written)


def _skill_named_in(question: str, request: ModelRequest) -> PinnedSkill | None:
    """Return the first skill whose source, or else whose name, stands in the question."""
    found = _skills(request)
    by_source = (skill for skill in found if _names(question, skill.source))
    by_name = (skill for skill in found if _names(question, skill.body.name))
    return next(by_source, None) or next(by_name, None)


def _names(question: str, name: str) -> bool:
    return re.search(rf"(?<![\w/-]){re.escape(name)}(?![\w/-])", question) is not None


def _skills(request: ModelRequest) -> tuple[PinnedSkill, ...]:
    return skills(() if request.context is None else request.context.resources)


def _given(request: ModelRequest) -> list[tuple[str, Digest, bytes]]:
    """Return source, digest and bytes of the instruction files that the prompt really holds."""
    if request.context is None:
        return []
    shown = {part.source for part in request.prompt.sections if part.name == "instruction_file"}
    return [
        (source, digest, request.context.bodies[digest])
        for source, digest in instruction_files(request.context.resources)
        if source in shown
    ]


def _keywords(text: str) -> frozenset[str]:
    """Return the words that carry meaning, in lower case and without a plural's `s`."""
    words = (word.lower() for word in _WORD.findall(text))
    telling = (w for w in words if len(w) >= _KEYWORD_LETTERS_MIN and w not in _SMALL_WORDS)
    return frozenset(word.rstrip("s") or word for word in telling)


def _question(messages: tuple[Message, ...]) -> str:
    asked = (message.text for message in reversed(messages) if message.role is Role.USER)
    return next(asked, "")


def _latest_results(messages: tuple[Message, ...]) -> tuple[ToolResultPart, ...]:
    """Return the results that came since the model last spoke."""
    results: list[ToolResultPart] = []
    for message in reversed(messages):
        if message.role is not Role.TOOL:
            break
        results[:0] = [part for part in message.parts if isinstance(part, ToolResultPart)]
    return tuple(results)


def _input_tokens(request: ModelRequest) -> int:
    spoken = sum(estimate_text_tokens(message.text) for message in request.messages)
    return request.prompt.tokens + spoken + estimate_text_tokens(request.volatile)


__all__ = ["CONTEXT_BUDGET_TOKENS", "INTRODUCTION", "NAME", "OfflineModel"]
