"""What the list of chats, and one chat with its turns, show."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markupsafe import Markup

from driftpin.chat.messages import Message, Role, ToolCallPart, ToolResultPart, message_from_json
from driftpin.chat.states import ChatState
from driftpin.identity import ChatId, Digest, WorkspaceId
from driftpin.store.turn_values import ChunkRow
from driftpin.store.values import (
    Access,
    ChatRow,
    ChatView,
    HistoryRow,
    MessageRow,
    TurnRow,
    TurnState,
    WorkspaceRow,
)
from driftpin.web.context_views import PinLine, ResourceLine, pin_line
from driftpin.web.markdown import Markdown
from driftpin.web.policy_views import PoliciesShown, chat_policies_shown

UNTITLED: Final = "Untitled chat"
REFRESH: Final = "refresh"
LIVE: Final = frozenset({TurnState.WAITING, TurnState.RUNNING})


@dataclass(frozen=True, slots=True)
class ChatLine:
    """One chat in a list."""

    id: ChatId
    title: str
    workspace: str
    state: str
    is_archived: bool
    pin: PinLine
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Choice:
    """One workspace that a chat can be made in."""

    id: WorkspaceId
    name: str


@dataclass(frozen=True, slots=True)
class ChatList:
    """The list of chats with what it was asked for."""

    lines: tuple[ChatLine, ...]
    choices: tuple[Choice, ...]
    model: str
    text: str
    is_dirty_only: bool
    is_archived: bool
    next: str | None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool with what came of it; `result` is None while it is under way."""

    name: str
    arguments: str
    result: str | None
    is_error: bool
    code: str


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a turn: words as HTML, and the calls behind them."""

    is_user: bool
    words: Markup
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: what was said, what is being said, and what it ran on."""

    number: int
    state: str
    error: str | None
    said: tuple[Said, ...]
    speaking: Markup
    snapshot: Digest | None
    at: datetime

    @property
    def is_live(self) -> bool:
        """Whether more will come."""
        return self.state in LIVE

    @property
    def is_over(self) -> bool:
        """Whether a chat can go another way from here."""
        return self.state in (TurnState.DONE, TurnState.INTERRUPTED)


@dataclass(frozen=True, slots=True)
class ChatShown:
    """A chat with some of its turns; `earlier` is the turn to begin with to see those before.

    `undo_to` is what was pinned before the last refresh, if that was the last move.
    """

    id: ChatId
    title: str
    workspace_id: WorkspaceId
    model: str
    state: str
    error: str | None
    is_archived: bool
    may_update: bool
    pin: PinLine
    policy: str
    policy_moves: bool
    policies: PoliciesShown
    resources: tuple[ResourceLine, ...]
    undo_to: Digest | None
    turns: tuple[Turn, ...]
    earlier: int | None
    has_later: bool

    @property
    def is_running(self) -> bool:
        """Whether a turn is at work."""
        return self.state in (
            ChatState.RUNNING,
            ChatState.REQUIRES_ACTION,
            ChatState.INTERRUPTING,
        )


def chat_line(view: ChatView, names: Mapping[WorkspaceId, str]) -> ChatLine:
    """Return one line of a list."""
    chat = view.chat
    return ChatLine(
        id=chat.id,
        title=title_of(chat),
        workspace=names.get(chat.workspace_id, ""),
        state=chat.state.value,
        is_archived=chat.archived_at is not None,
        pin=pin_line(view.context),
        updated_at=chat.updated_at,
    )


def choices(rows: Iterable[WorkspaceRow]) -> tuple[Choice, ...]:
    """Return the workspaces to choose from."""
    return tuple(Choice(row.id, row.name) for row in rows)


def title_of(chat: ChatRow) -> str:
    """Return what a chat is called on pages."""
    return titled(chat.title)


def titled(title: str) -> str:
    """Return a title, or what stands for none."""
    return title or UNTITLED


def chat_shown(
    view: ChatView,
    turns: tuple[Turn, ...],
    resources: tuple[ResourceLine, ...],
    last_moves: Sequence[HistoryRow],
    *,
    earlier: int | None,
    has_later: bool,
) -> ChatShown:
    """Return a chat with these turns."""
    chat, policies = view.chat, view.context.policies
    return ChatShown(
        id=chat.id,
        title=title_of(chat),
        workspace_id=chat.workspace_id,
        model=chat.model,
        state=chat.state.value,
        error=chat.error,
        is_archived=chat.archived_at is not None,
        may_update=view.access is not Access.READ,
        pin=pin_line(view.context),
        policy=str(policies),
        policy_moves=policies.may_move,
        policies=chat_policies_shown(chat.id, policies, may_set=view.access is not Access.READ),
        resources=resources,
        undo_to=next((move.from_digest for move in last_moves if move.verb == REFRESH), None),
        turns=turns,
        earlier=earlier,
        has_later=has_later,
    )


def turn_shown(
    row: TurnRow, rows: Iterable[MessageRow], chunks: Sequence[ChunkRow], markdown: Markdown
) -> Turn:
    """Return a turn with its messages and with the words that are being said."""
    messages = [message_from_json(each.content) for each in rows if each.turn == row.number]
    results = {
        part.call_id: part
        for message in messages
        for part in message.parts
        if isinstance(part, ToolResultPart)
    }
    is_live = row.state in LIVE
    return Turn(
        number=row.number,
        state=row.state.value,
        error=row.error,
        said=tuple(
            _said(message, results, markdown)
            for message in messages
            if message.role is not Role.TOOL
        ),
        speaking=markdown.html(unsaid(chunks, messages)) if is_live else Markup(""),
        snapshot=row.snapshot_digest,
        at=row.created_at,
    )


def unsaid(chunks: Sequence[ChunkRow], messages: Sequence[Message]) -> str:
    """Return the streamed words that stand in no message yet.

    A turn that was taken over streams from where its messages end, so the words of its newest
    attempt begin with those of the last so many answers.
    """
    attempt = max((chunk.attempt for chunk in chunks), default=0)
    words = "".join(str(chunk.content["text"]) for chunk in chunks if chunk.attempt == attempt)
    answers = [message.text for message in messages if message.role is Role.ASSISTANT]
    for first in range(len(answers)):
        kept = "".join(answers[first:])
        if words.startswith(kept):
            return words[len(kept) :]
    return words


def _said(message: Message, results: Mapping[str, ToolResultPart], markdown: Markdown) -> Said:
    return Said(
        is_user=message.role is Role.USER,
        words=markdown.html(message.text),
        calls=tuple(_call(call, results.get(call.call_id)) for call in message.calls),
    )


def _call(call: ToolCallPart, result: ToolResultPart | None) -> ToolCall:
    return ToolCall(
        name=call.name,
        arguments=call.arguments,
        result=None if result is None else result.content,
        is_error=result is not None and result.is_error,
        code="" if result is None else result.code,
    )


__all__ = [
    "LIVE",
    "ChatLine",
    "ChatList",
    "ChatShown",
    "Choice",
    "Said",
    "ToolCall",
    "Turn",
    "chat_line",
    "chat_shown",
    "choices",
    "title_of",
    "titled",
    "turn_shown",
    "unsaid",
]
