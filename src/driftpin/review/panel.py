"""Reviewers as sub-chats of one pinned chat: asked, checked, and sent back once to mend.

What they call is answered here: the reading tools from the objects that the round pinned, and those
by which they answer from the rules for claims.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from driftpin import limits, review_limits
from driftpin.client import Client
from driftpin.client.conversation import ASKS, converse, follow
from driftpin.errors import DriftpinError, Unauthenticated, Unreachable
from driftpin.identity import digest_of
from driftpin.review.examination import Examine
from driftpin.review.inputs import Exchange, Read, Said
from driftpin.review.planning import Task
from driftpin.review.prompts import repair_text
from driftpin.review.reading.desk import ReadingDesk
from driftpin.review.sitting import Sitting
from driftpin.review.spending import Usage
from driftpin.review.submission import COMPLETE, REVIEW_TOOLS, SUBMIT_CLAIM
from driftpin.wire.api import CreateChatRequest
from driftpin.wire.turns import (
    CallResultShape,
    MessageShape,
    SubmitResultsRequest,
    ToolCallShape,
    TurnShape,
)

BAD_ANSWER: Final = "bad_answer"
TOO_MANY_CALLS: Final = "too_many_calls"


class Reviewers(Protocol):
    """Whoever answers tasks: what is kept of it is one JSON document, however it was brought."""

    async def ask(self, task: Task, examine: Examine) -> Exchange:
        """Return what was said; a reviewer that fails is a value. May raise Unreachable."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """One turn: the answer, the code of what failed, what it took and what was read in it."""

    answer: str
    failure: str
    usage: Usage
    reads: tuple[Read, ...]


class SubChats:
    """Each reviewer is a chat of its own that inherits the pin of the round's chat."""

    def __init__(
        self, client: Client, parent_id: str, workspace_id: str, model: str, desk: ReadingDesk
    ) -> None:
        """Ask in sub-chats of `parent_id`; `model` where a role names none."""
        self._desk = desk
        self._client = client
        self._parent_id = parent_id
        self._workspace_id = workspace_id
        self._model = model

    async def ask(self, task: Task, examine: Examine) -> Exchange:
        """Ask in a new chat; what breaks a rule is sent back as often as the limit says."""
        try:
            chat = await self._client.create_chat(
                CreateChatRequest(
                    workspace_id=self._workspace_id,
                    title=task.key[: limits.TITLE_CHARACTERS_MAX],
                    parent_id=self._parent_id,
                    model=task.role.model or self._model,
                    tools=REVIEW_TOOLS,
                )
            )
            return await self._converse(task, examine, chat.id)
        except (Unreachable, Unauthenticated):
            raise
        except DriftpinError as refusal:
            return Exchange(task.key, (), failure=refusal.code)

    async def _converse(self, task: Task, examine: Examine, chat_id: str) -> Exchange:
        said: list[Said] = []
        text, used, sitting = task.text, Usage(), Sitting(task, examine, self._desk.visit())
        while True:
            turn = await self._turn(chat_id, text, sitting)
            used += turn.usage
            request = digest_of(text.encode("utf-8", "replace"))
            answer = sitting.document or turn.answer
            said.append(Said(request, answer, turn.reads))
            # Whoever completed has done its work, whatever comes of its last words.
            if (failure := turn.failure) and not sitting.document:
                return Exchange(task.key, tuple(said), failure, chat_id=chat_id).with_usage(used)
            examined = sitting.examine(answer)
            if not examined.errors or len(said) > review_limits.REVIEW_REPAIRS_MAX:
                failure = "" if examined.is_answer else BAD_ANSWER
                answered = Exchange(task.key, tuple(said), failure, 0, chat_id, examined.outside)
                return answered.with_usage(used)
            text = repair_text(examined.errors, by_calls=sitting.is_unfinished)

    async def _turn(self, chat_id: str, text: str, sitting: Sitting) -> _Answered:
        """Ask once, answer what is called, and return what came of it."""
        seen: set[str] = set()
        try:
            async with asyncio.timeout(review_limits.REVIEW_ANSWER_TIMEOUT_S):
                turn, messages = await converse(self._client, chat_id, text)
                while turn.state == ASKS and await self._goes_on(chat_id, turn, sitting, seen):
                    turn, messages = await follow(self._client, chat_id, turn.number)
        except TimeoutError:
            await self._client.interrupt_chat(chat_id)
            return _Answered("", "timeout", Usage(), sitting.take())
        except asyncio.CancelledError:
            # Nobody will answer its calls, so its model would be asked again for nothing.
            with suppress(DriftpinError):
                await self._client.interrupt_chat(chat_id)
            raise
        if turn.state == ASKS:
            await self._client.interrupt_chat(chat_id)
        failure = "" if turn.state == "done" else turn.error or turn.state
        return _Answered(
            "" if failure else _text(messages),
            TOO_MANY_CALLS if sitting.is_over else failure,
            await self._usage(chat_id, turn),
            sitting.take(),
        )

    async def _goes_on(
        self, chat_id: str, turn: TurnShape, sitting: Sitting, seen: set[str]
    ) -> bool:
        """Answer the calls that wait; False, and nothing is answered, where that is enough.

        `complete` is answered last, since it ends the others. What does not fit a tool's schema was
        refused by the server, and does not wait.
        """
        every = await self._client.list_calls(chat_id, turn.number)
        calls = [call for call in every if call.call_id not in seen]
        seen.update(call.call_id for call in calls)
        sitting.begin_request(
            is_refused=any(call.name == SUBMIT_CLAIM and not call.asked for call in calls)
        )
        asked = sorted(
            (call for call in every if call.asked), key=lambda call: call.name == COMPLETE
        )
        results: list[CallResultShape] = []
        for call in asked:
            results.append(await _result(sitting, call))
            if sitting.is_over:
                return False
        if results:
            request = SubmitResultsRequest(results=tuple(results))
            await self._client.submit_results(chat_id, turn.number, request)
        return True

    async def _usage(self, chat_id: str, turn: TurnShape) -> Usage:
        receipt = await self._client.get_receipt(chat_id, turn.number)
        counts = [entry.content.get("tokens") for entry in receipt.entries]
        return sum((_counted(each) for each in counts if isinstance(each, dict)), Usage())


async def _result(sitting: Sitting, call: ToolCallShape) -> CallResultShape:
    read = await asyncio.to_thread(sitting.answer, call.name, call.arguments)
    return CallResultShape(call_id=call.call_id, content=read.result, is_error=read.is_error)


def _counted(counts: Mapping[str, object]) -> Usage:
    names = ("input_tokens", "cache_read_tokens", "output_tokens")
    return Usage(*(each if isinstance(each, int) else 0 for each in map(counts.get, names)))


def _text(messages: Sequence[MessageShape]) -> str:
    """Return the last words of the assistant in a turn, up to the limit.

    What it said before it called a tool is no answer: it may quote what it had read.
    """
    spoken = [message for message in messages if message.role == "assistant"]
    parts = spoken[-1].content.get("parts") if spoken else []
    listed = parts if isinstance(parts, list) else []
    texts = [str(part.get("text") or "") for part in listed if isinstance(part, dict)]
    return "\n".join(texts)[: review_limits.REVIEW_ANSWER_BYTES_MAX]


__all__ = ["BAD_ANSWER", "TOO_MANY_CALLS", "Reviewers", "SubChats"]
