"""Calls that are answered from elsewhere: tools of a chat's client, and sub-chats.

No worker waits for such an answer. The turn is let go with its open calls, and whichever worker
claims it when the answers are there, or when the wait is over, goes on with it. A call is started
in the transaction that lets the turn go, so it is never carried out twice.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from driftpin import limits
from driftpin.chat.messages import (
    Role,
    ToolCallPart,
    ToolResultPart,
    message_from_json,
    parse_arguments,
)
from driftpin.chat.options import SPAWN
from driftpin.chat.tools import ToolDefinition, ToolResult
from driftpin.context.schema_rules import check_arguments
from driftpin.errors import Conflict, Malformed, NotFound
from driftpin.identity import WORKER, ChatId
from driftpin.operations.interrupt_turn import interrupt_turn
from driftpin.operations.park_turn import Parking, Spawn, park_turn
from driftpin.store.leases import TurnLease
from driftpin.store.store import Store
from driftpin.store.turn_values import UNFINISHED, CallState, ToolCallRow
from driftpin.store.values import ChatRow, TurnState

FIRST_TURN: Final = 1
TIMED_OUT: Final = ToolResult(
    "The call was not answered in time; whatever it does, its result will not come.",
    is_error=True,
    code="timed_out",
)
GONE: Final = ToolResult("The sub-chat was deleted.", is_error=True, code="sub_chat_gone")


@dataclass(frozen=True, slots=True)
class OutsideTools:
    """The tools of one chat whose calls are answered from elsewhere; a source of a toolbox."""

    definitions: tuple[ToolDefinition, ...]
    spawns_left: int = 0

    def has(self, name: str) -> bool:
        """Whether a tool of that name is answered from elsewhere."""
        return any(tool.name == name for tool in self.definitions)

    async def call(self, call: ToolCallPart, arguments: Mapping[str, object]) -> ToolResult:
        """Never happens: a turn lets such calls go before its toolbox is asked."""
        raise AssertionError(
            f"{call.name} is not carried out here, with {len(arguments)} arguments"
        )

    def fault_of(self, call: ToolCallPart) -> ToolResult | None:
        """Return why a call cannot be made as it was asked for, None if it can."""
        schema = next(tool.parameters for tool in self.definitions if tool.name == call.name)
        try:
            pointer = check_arguments(schema, parse_arguments(call))  # type: ignore[arg-type] # it was JSON
        except Malformed as fault:
            return ToolResult(fault.message, is_error=True, code=fault.code)
        if pointer is None:
            return None
        text = f"The arguments break the tool's schema at {pointer or '/'!r}."
        return ToolResult(text, is_error=True, code="bad_arguments")


NO_OUTSIDE_TOOLS: Final = OutsideTools(())


async def outside_tools_of(
    store: Store, chat: ChatRow, declared: tuple[ToolDefinition, ...]
) -> OutsideTools:
    """Return what the chat's client declared, and `spawn` where the chat may start sub-chats."""
    if not chat.may_spawn:
        return OutsideTools(declared)
    spawning = await store.read_spawning(WORKER, chat.id)
    if spawning.depth >= limits.SPAWN_DEPTH_MAX:
        return OutsideTools(declared)
    left = max(0, limits.SPAWNED_PER_CHAT_MAX - spawning.started)
    return OutsideTools((*declared, SPAWN), left)


class LetGo(Exception):
    """The turn waits for answers from elsewhere, and this worker holds it no longer."""


class Progress(StrEnum):
    """What became of the calls of an answer: all have results, or others are waited for."""

    COMPLETE = "complete"
    LET_GO = "let_go"
    TO_STOP = "to_stop"


@dataclass(slots=True)
class Answers:
    """What is known of the calls of one answer, some of which are answered from elsewhere."""

    store: Store
    lease: TurnLease
    tools: OutsideTools
    rows: Mapping[str, ToolCallRow]
    results: dict[str, ToolResultPart]

    @classmethod
    async def read(cls, store: Store, lease: TurnLease, tools: OutsideTools) -> "Answers":
        """Read how far the calls of the turn are."""
        rows = await store.list_tool_calls(WORKER, lease.chat_id, lease.turn)
        kept = {row.call_id: row.result for row in rows if row.result is not None}
        return cls(store, lease, tools, {row.call_id: row for row in rows}, kept)

    def inside(self, calls: Sequence[ToolCallPart]) -> tuple[ToolCallPart, ...]:
        """Return the calls that a worker carries out itself and that have no result yet."""
        return tuple(
            call
            for call in calls
            if not self.tools.has(call.name) and call.call_id not in self.results
        )

    async def complete(self, calls: Sequence[ToolCallPart]) -> Progress:
        """Give every call its result, or let the turn go with those that are open."""
        client_call_ids: list[str] = []
        spawns: list[Spawn] = []
        for call in calls:
            if call.call_id in self.results:
                continue
            row = self.rows[call.call_id]
            if row.state is not CallState.NOT_STARTED:
                self._note(call, await self._answer_of(row))
            elif fault := self.tools.fault_of(call):
                self._note(call, fault)
            elif call.name != SPAWN.name:
                client_call_ids.append(call.call_id)
            elif len(spawns) >= self.tools.spawns_left:
                self._note(call, _too_many())
            else:
                spawns.append(_spawn_of(call))
        if not client_call_ids and not spawns:
            return Progress.COMPLETE
        parking = Parking(tuple(self.results.values()), client_call_ids, spawns)
        is_parked = await park_turn(self.store, WORKER, self.lease, parking)
        return Progress.LET_GO if is_parked else Progress.TO_STOP

    def _note(self, call: ToolCallPart, result: ToolResult) -> None:
        self.results[call.call_id] = ToolResultPart(
            call.call_id, call.name, result.content, is_error=result.is_error, code=result.code
        )

    async def _answer_of(self, row: ToolCallRow) -> ToolResult:
        """Return what a call gave that was let go; the wait is over if it gave nothing."""
        if row.sub_chat_id is None:
            return TIMED_OUT
        return await answer_of_sub_chat(self.store, row.sub_chat_id)


async def answer_of_sub_chat(store: Store, chat_id: ChatId) -> ToolResult:
    """Return the words with which a sub-chat ended, or why there are none."""
    try:
        turn = (await store.list_turns(WORKER, chat_id))[0]
        page = await store.list_messages(
            WORKER, chat_id, None, limits.API_PAGE_ITEMS_MAX, turn=FIRST_TURN
        )
    except NotFound:
        return GONE
    if turn.state in UNFINISHED:
        return TIMED_OUT
    said = [message_from_json(row.content) for row in page.items]
    words = [message.text for message in said if message.role is Role.ASSISTANT]
    if turn.state is TurnState.DONE:
        return ToolResult(words[-1])
    text = turn.error or f"The sub-chat was interrupted; it had said: {''.join(words[-1:])}"
    return ToolResult(text, is_error=True, code=f"sub_chat_{turn.state.value}")


async def stop_sub_chats(store: Store, lease: TurnLease) -> None:
    """Ask the sub-chats to stop that a turn which is to stop has started."""
    for row in await store.list_tool_calls(WORKER, lease.chat_id, lease.turn):
        if row.sub_chat_id is not None and row.state is CallState.STARTED:
            with suppress(Conflict, NotFound):
                await interrupt_turn(store, WORKER, row.sub_chat_id)


def _spawn_of(call: ToolCallPart) -> Spawn:
    arguments = parse_arguments(call)
    return Spawn(call.call_id, str(arguments["task"]), str(arguments.get("role", "")))


def _too_many() -> ToolResult:
    text = f"A chat may start {limits.SPAWNED_PER_CHAT_MAX} sub-chats, and this one has."
    return ToolResult(text, is_error=True, code="too_many_sub_chats")


__all__ = [
    "NO_OUTSIDE_TOOLS",
    "Answers",
    "LetGo",
    "OutsideTools",
    "Progress",
    "answer_of_sub_chat",
    "outside_tools_of",
    "stop_sub_chats",
]
