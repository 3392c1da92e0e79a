"""What the store gives back of a turn under way: what streamed, and how far its calls are."""

from dataclasses import dataclass
from enum import StrEnum

from driftpin.chat.compaction import Compaction
from driftpin.chat.messages import Message, ToolResultPart
from driftpin.chat.tools import ToolDefinition
from driftpin.identity import ChatId
from driftpin.store.values import JsonObject, TurnState

UNFINISHED = (
    TurnState.WAITING,
    TurnState.RUNNING,
    TurnState.REQUIRES_ACTION,
    TurnState.DELEGATED,
)


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A batch of streamed text; a higher attempt makes the ones before it void."""

    turn: int
    attempt: int
    offset: int
    content: JsonObject


@dataclass(frozen=True, slots=True)
class StreamedText:
    """Words of an answer that stand behind `offset` characters of its attempt."""

    offset: int
    text: str

    @property
    def end(self) -> int:
        """Where the next words of the attempt stand."""
        return self.offset + len(self.text)


class CallState(StrEnum):
    """How far a call is; it is started at most once."""

    NOT_STARTED = "not_started"
    STARTED = "started"
    DONE = "done"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ToolCallRow:
    """A call of a turn; `result` is kept apart only while other calls of its answer are open.

    `sub_chat_id` is the chat that a `spawn` started. `is_asked` says that the client of the chat
    is to carry it out now.
    """

    call_id: str
    name: str
    arguments: str
    state: CallState
    outcome: str | None
    result: ToolResultPart | None
    sub_chat_id: ChatId | None
    is_asked: bool


@dataclass(frozen=True, slots=True)
class Spawning:
    """How deep below other chats a chat stands, and how many its model has started."""

    depth: int
    started: int


@dataclass(frozen=True, slots=True)
class TurnStart:
    """Where a turn stands that was claimed.

    `history` is the conversation up to this turn, what has left by `compaction` included;
    `requests` counts those that were sent; `tools` are those that the chat's client declared.
    `is_settled` says that nothing is due for the chat's pin, whatever its policies are.
    """

    history: tuple[Message, ...]
    compaction: Compaction | None
    requests: int
    tools: tuple[ToolDefinition, ...]
    is_settled: bool


__all__ = [
    "UNFINISHED",
    "CallState",
    "ChunkRow",
    "Spawning",
    "StreamedText",
    "ToolCallRow",
    "TurnStart",
]
