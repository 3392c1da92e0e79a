"""One turn: settle the pin, then ask and carry out calls until the model has answered.

The turn's own messages say how far it has come, so a turn that another worker began goes on from
its last committed step: calls that were never started are carried out, those that were started are
unknown, and an answer without calls ends it.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from driftpin import limits
from driftpin.chat.compaction import (
    Compaction,
    messages_budget,
    next_compaction,
    shown,
    summary_question,
)
from driftpin.chat.conversation import answered
from driftpin.chat.messages import (
    Message,
    Role,
    ToolCallPart,
    ToolResultPart,
    as_sent,
)
from driftpin.chat.pinned import PinnedContext
from driftpin.chat.states import ChatState
from driftpin.chat.tools import (
    NOT_MADE_RESULT,
    STOPPED_RESULT,
    UNKNOWN_RESULT,
    ToolResult,
)
from driftpin.chat.volatile import VolatileNotes, render_volatile
from driftpin.clock import Clock
from driftpin.errors import DriftpinError
from driftpin.failpoints import Failpoint
from driftpin.identity import WORKER, ChatId
from driftpin.models.built_in import can_sum_up
from driftpin.models.port import Model, ModelRequest
from driftpin.operations.append_chunk import append_chunk
from driftpin.operations.commit_tool_results import commit_tool_results
from driftpin.operations.finish_turn import finish_turn
from driftpin.operations.keep_compaction import keep_compaction
from driftpin.operations.park_turn import end_waiting
from driftpin.operations.settle_pin import settle_pin
from driftpin.operations.start_tool_calls import start_tool_calls
from driftpin.runner.agent_tools import AgentTools
from driftpin.runner.outside import (
    NO_OUTSIDE_TOOLS,
    Answers,
    LetGo,
    OutsideTools,
    Progress,
    outside_tools_of,
    stop_sub_chats,
)
from driftpin.runner.pins import PinReader
from driftpin.runner.requests import Prepared, drift_note, record_of
from driftpin.runner.sending import Sender
from driftpin.runner.streaming import AnswerCollector
from driftpin.runner.toolbox import SkillTools, Toolbox, ToolSource
from driftpin.store.failures import is_storage_away
from driftpin.store.leases import ClaimedTurn, LeaseLost
from driftpin.store.store import Store
from driftpin.store.turn_values import StreamedText
from driftpin.store.values import PinnedRead, TurnState


@dataclass(slots=True)
class Turn:
    """A claimed turn under way. `request_stop` ends it at the next moment it can be ended.

    `lost` is set when another worker was seen to have taken it over.

    `outside` are tools whose calls are answered from elsewhere, read when the turn begins.
    """

    store: Store
    pins: PinReader
    model: Model
    clock: Clock
    claimed: ClaimedTurn
    agent_tools: AgentTools | None = None
    history: list[Message] = field(default_factory=list)
    compaction: Compaction | None = None
    requests: int = 0
    streamed_characters: int = 0
    is_stopping: bool = False
    has_ended: bool = False
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    outside: OutsideTools = NO_OUTSIDE_TOOLS
    _asking: "asyncio.Task[Any] | None" = None
    _asked_from: tuple[PinnedRead, PinnedContext | None] | None = None

    @property
    def chat_id(self) -> ChatId:
        """The chat whose turn this is."""
        return self.claimed.lease.chat_id

    def request_stop(self) -> None:
        """End the turn now, keeping the words that have come so far; once is enough."""
        if self.is_stopping:
            return
        self.is_stopping = True
        if self._asking is not None:
            self._asking.cancel()

    async def run(self) -> None:
        """Carry the turn to its end, or to where others have to answer first.

        A refusal on the way fails the turn and says why.
        Raises LeaseLost when another worker has taken the turn over, and Unavailable when the
        storage is away: the turn is then left as it is, to whoever can go on with it.
        """
        try:
            end, error = await self._carry_out(), None
            if self.has_ended:
                # Its last answer ended it, in the transaction that kept it.
                return
        except LetGo:
            return
        except LeaseLost:
            raise
        except DriftpinError as refusal:
            if is_storage_away(refusal):
                raise
            end, error = TurnState.FAILED, f"{refusal.code}: {refusal.message}"
        await finish_turn(self.store, WORKER, self.claimed.lease, end, error=error)

    async def _carry_out(self) -> TurnState:
        await self._take_up()
        if self.claimed.chat.state is ChatState.REQUIRES_ACTION:
            await end_waiting(self.store, WORKER, self.claimed.lease)
        while self.requests < limits.TURN_REQUESTS_MAX:
            if self.is_stopping and not self.has_ended:
                await stop_sub_chats(self.store, self.claimed.lease)
                return TurnState.INTERRUPTED
            last = self.history[-1]
            if last.role is Role.ASSISTANT and not last.calls:
                return TurnState.DONE
            if last.role is Role.ASSISTANT:
                await self._carry_out_calls(last.calls)
            else:
                await self._ask()
        raise DriftpinError(
            f"The model asked for tools {limits.TURN_REQUESTS_MAX} times without an answer.",
            code="too_many_requests",
        )

    async def _take_up(self) -> None:
        """Read where the turn stands, and do what is due for the pin unless it was done before."""
        holds_pin = self.claimed.holds_pin
        start = await self.store.read_turn_start(WORKER, self.claimed.lease, is_settled=holds_pin)
        if not start.is_settled:
            await self._settle_pin()
        self.history, self.compaction = list(start.history), start.compaction
        self.requests = start.requests
        self.outside = await outside_tools_of(self.store, self.claimed.chat, start.tools)

    async def _settle_pin(self) -> None:
        """Bind, hydrate or rebind; wait a little for a first snapshot, then go on without."""
        deadline_s = self.clock.monotonic_s() + limits.TURN_FIRST_PIN_WAIT_S
        while True:
            await settle_pin(self.store, WORKER, self.chat_id)
            pin = await self.store.read_pin(WORKER, self.chat_id)
            is_late = self.clock.monotonic_s() >= deadline_s
            if pin.snapshot is not None or is_late or self.is_stopping:
                return
            if not await self._has_enrolled_agent(pin):
                return
            await asyncio.sleep(limits.TURN_PIN_POLL_S)

    async def _has_enrolled_agent(self, pin: PinnedRead) -> bool:
        agents = await self.store.list_agents(WORKER, pin.chat.workspace_id)
        return any(agent.deleted_at is None for agent in agents)

    async def _ask(self) -> None:
        """Ask the model once, in a task of its own so that a stop can end just that."""
        self.requests += 1
        self._asking = asyncio.create_task(self._ask_once())
        try:
            await self._asking
        except asyncio.CancelledError:
            if not self.is_stopping:
                self._asking.cancel()
                raise
        finally:
            self._asking = None

    async def _ask_once(self) -> None:
        prepared = await self._prepare()
        if await self._compact(prepared):
            prepared = await self._prepare()
        self._asked_from = prepared.pin, prepared.context
        collector = AnswerCollector(
            self._keep_batch,
            self.streamed_characters,
            {call.call_id for message in self.history for call in message.calls},
        )
        sender = self._sender()
        sent, answer = await sender.send(prepared, collector)
        unkept = collector.unkept
        self.streamed_characters = unkept.end
        await sender.keep(prepared, sent, answer, unkept=unkept)
        self.has_ended = not answer.message.calls
        self.history.append(answer.message)

    def _sender(self) -> Sender:
        return Sender(self.store, self.model, self.claimed.lease, lambda: self.is_stopping)

    async def _compact(self, prepared: Prepared) -> bool:
        """Let messages leave if they have outgrown the model's window; return whether any did."""
        request, lease = prepared.request, self.claimed.lease
        budget_tokens = messages_budget(
            self.model.context_budget_tokens, request.prompt.tokens, request.tools
        )
        following = next_compaction(self.history, self.compaction, budget_tokens)
        if following is None:
            return False
        if can_sum_up(self.model):
            question = summary_question(
                self.history, self.compaction, following.count, budget_tokens
            )
            following = await self._sender().sum_up(prepared, question, following)
            self.requests += 1
        else:
            await keep_compaction(self.store, WORKER, lease, following)
        self.compaction = following
        return True

    async def _keep_batch(self, batch: StreamedText) -> None:
        await append_chunk(self.store, WORKER, self.claimed.lease, batch)

    def _count_answers_left_out(self) -> int:
        gone = 0 if self.compaction is None else self.compaction.count
        return sum(message.role is Role.ASSISTANT for message in self.history[:gone])

    async def _prepare(self) -> Prepared:
        """Build the request out of one read of the pin."""
        pin, context = await self.pins.read(self.chat_id, self.claimed.lease.turn)
        prompt = self.pins.render(
            pin,
            context,
            budget_tokens=self.model.context_budget_tokens,
            role=self.claimed.chat.role,
        )
        view = await self.store.get_chat(WORKER, self.chat_id)
        request = ModelRequest(
            prompt=prompt,
            context=context,
            tools=self._toolbox(pin, context).definitions,
            messages=as_sent(answered(shown(self.history, self.compaction))),
            answers_left_out=self._count_answers_left_out(),
            volatile=render_volatile(
                VolatileNotes(
                    date=self.clock.now().date().isoformat(), drift=drift_note(view.context)
                )
            ),
        )
        record = record_of(
            self.claimed.lease,
            self.requests,
            self.model,
            pin,
            request,
            policy=str(view.context.policies),
            compaction=self.compaction,
        )
        return Prepared(pin, context, request, record)

    def _toolbox(self, pin: PinnedRead, context: PinnedContext | None) -> Toolbox:
        sources: list[ToolSource] = [SkillTools(self.pins, pin, context), self.outside]
        if self.agent_tools is not None:
            sources += self.agent_tools.sources(pin, context)
        return Toolbox(sources)

    async def _carry_out_calls(self, calls: tuple[ToolCallPart, ...]) -> None:
        """Carry out an answer's calls from the pin of its request, and commit their results.

        Raises LetGo when some of them are answered from elsewhere.
        """
        lease = self.claimed.lease
        await self._reach(Failpoint.TOOL_ID_SAVED)
        if self._asked_from is None:
            self._asked_from = await self.pins.read_of_request(self.chat_id, lease.turn)
        toolbox = self._toolbox(*self._asked_from)
        if any(self.outside.has(call.name) for call in calls):
            answers = await Answers.read(self.store, lease, self.outside)
            answers.results |= await self._carry_out_inside(toolbox, answers.inside(calls))
            progress = await answers.complete(calls)
            if progress is Progress.LET_GO:
                raise LetGo
            if progress is Progress.TO_STOP:
                self.is_stopping = True
                return
            results = answers.results
        else:
            results = await self._carry_out_inside(toolbox, calls)
        in_order = tuple(results[call.call_id] for call in calls)
        message = await commit_tool_results(self.store, WORKER, lease, in_order)
        await self._reach(Failpoint.TOOL_RESULT_SAVED)
        self.history.append(message)

    async def _carry_out_inside(
        self, toolbox: Toolbox, calls: tuple[ToolCallPart, ...]
    ) -> dict[str, ToolResultPart]:
        """Carry out the calls that were never started; those that were are unknown."""
        if not calls:
            return {}
        started = await start_tool_calls(self.store, WORKER, self.claimed.lease, calls)
        return {
            call.call_id: await self._carry_out_call(toolbox, call)
            if call.call_id in started
            else _result_part(call, UNKNOWN_RESULT)
            for call in calls
        }

    async def _carry_out_call(self, toolbox: Toolbox, call: ToolCallPart) -> ToolResultPart:
        if self.is_stopping:
            return _result_part(call, NOT_MADE_RESULT)
        await self._reach(Failpoint.TOOL_SENT)
        result = await self._until_stopped(toolbox.carry_out(call))
        await self._reach(Failpoint.TOOL_RESULT_IN)
        return _result_part(call, result)

    async def _until_stopped(self, calling: Coroutine[Any, Any, ToolResult]) -> ToolResult:
        """Return what a call gives, or that it was left alone: a tool may take minutes."""
        self._asking = task = asyncio.create_task(calling)
        try:
            return await task
        except asyncio.CancelledError:
            if not self.is_stopping:
                task.cancel()
                raise
            return STOPPED_RESULT
        finally:
            self._asking = None

    async def _reach(self, failpoint: Failpoint) -> None:
        await self.store.database.reach(failpoint)


def _result_part(call: ToolCallPart, result: ToolResult) -> ToolResultPart:
    return ToolResultPart(
        call.call_id,
        call.name,
        result.content,
        is_error=result.is_error,
        code=result.code,
        attachments=result.attachments,
    )


__all__ = ["Turn"]
