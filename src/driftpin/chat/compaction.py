"""Which messages leave what a model is shown when a chat outgrows its window.

A pure function of the messages and the budget. Messages leave from the oldest on, never between a
call and its result, and about half of the budget is free afterwards, so that it is not done again
at once. The prompt is never touched: instructions are rendered from the pin for every request.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from driftpin import limits
from driftpin.chat.messages import (
    Message,
    Part,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    user_message,
)
from driftpin.chat.tools import ToolDefinition
from driftpin.context.tokens import estimate_text_tokens

COMPACTED: Final = "compacted"
SUMMARISE: Final = """\
The chat has outgrown your window. Below are its messages up to now; you will go on with it and \
see only what you write here in their place. Write down what is needed for that: what the user \
wants, what was decided, what was learnt and from which files, what is done and what is open. \
Write nothing else."""


@dataclass(frozen=True, slots=True)
class Compaction:
    """The first `count` messages of a conversation left; `summary`, if any, stands there."""

    count: int
    tokens: int
    summary: str = ""


def window_tokens(budget_tokens: int) -> int:
    """Return how many tokens prompt, tools and messages may take together.

    `budget_tokens` is what the prompt alone may; the window of a model is larger.
    """
    return budget_tokens * limits.WINDOW_FIFTHS // 5


def messages_budget(budget_tokens: int, prompt_tokens: int, tools: Sequence[ToolDefinition]) -> int:
    """Return how many tokens are left for messages behind a prompt and tools."""
    offered = [[tool.name, tool.description, tool.parameters] for tool in tools]
    taken = prompt_tokens + estimate_text_tokens(json.dumps(offered))
    return max(window_tokens(budget_tokens) - taken, budget_tokens // 5)


def next_compaction(
    messages: Sequence[Message], before: Compaction | None, budget_tokens: int
) -> Compaction | None:
    """Return what is to leave now, without its summary; None while the messages fit.

    None too when nothing can leave: the last step alone is never cut.
    """
    gone = 0 if before is None else before.count
    sizes = [tokens_of(message) for message in messages]
    head = 0 if before is None else estimate_text_tokens(before.summary)
    if head + sum(sizes[gone:]) <= budget_tokens:
        return None
    cuts = [i for i in range(gone + 1, len(messages)) if messages[i].role is not Role.TOOL]
    if not cuts:
        return None
    fitting = (cut for cut in cuts if sum(sizes[cut:]) <= budget_tokens // 2)
    count = next(fitting, cuts[-1])
    return Compaction(count, sum(sizes[:count]))


def shown(messages: Sequence[Message], compaction: Compaction | None) -> tuple[Message, ...]:
    """Return the messages that a model is shown: what left is said in the first of them."""
    if compaction is None:
        return tuple(messages)
    kept = tuple(messages[compaction.count :])
    lines = [f"[The first {compaction.count} messages of this chat were left out to fit.]"]
    if compaction.summary:
        lines += ["What you wrote down of them:", compaction.summary]
    if not any(message.role is Role.USER for message in kept):
        asked = [m.text for m in messages[: compaction.count] if m.role is Role.USER]
        lines += ["What you are answering:", *asked[-1:]]
    return (user_message("\n\n".join(lines)), *kept)


def summary_question(
    messages: Sequence[Message], before: Compaction | None, count: int, budget_tokens: int
) -> Message:
    """Return what a model is asked so that it writes down what is about to leave."""
    lines = [] if before is None or not before.summary else [before.summary]
    gone = 0 if before is None else before.count
    for message in messages[gone:count]:
        lines += [f"{message.role.value}: {text}" for text in _texts(message)]
    # A token has more than two characters nearly everywhere; the newest lines matter most.
    transcript = "\n".join(lines)[-2 * budget_tokens :]
    return user_message(f"{SUMMARISE}\n\n{transcript}")


def tokens_of(message: Message) -> int:
    """Return about how many tokens a message takes."""
    return sum(estimate_text_tokens(_written(part)) for part in message.parts)


def _texts(message: Message) -> Iterator[str]:
    longest = limits.COMPACTED_PART_CHARACTERS_MAX
    for part in message.parts:
        text = _written(part)
        rest = len(text) - longest
        yield text if rest <= 0 else f"{text[:longest]} [and {rest} more characters]"


def _written(part: Part) -> str:
    match part:
        case TextPart(text=text):
            return text
        case ToolCallPart(name=name, arguments=arguments):
            return f"calls {name} with {arguments}"
        case ToolResultPart(name=name, content=content):
            return f"{name} gave {content}"


__all__ = [
    "COMPACTED",
    "SUMMARISE",
    "Compaction",
    "messages_budget",
    "next_compaction",
    "shown",
    "summary_question",
    "tokens_of",
    "window_tokens",
]
