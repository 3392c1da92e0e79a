"""Chats: made, listed, shown, put away, shared, forked, deleted."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from driftpin.cli import output
from driftpin.cli.asking import confirm
from driftpin.cli.exits import say
from driftpin.cli.options import Reach
from driftpin.cli.pin_pages import CHAT_COLUMNS, chat_row, context_text
from driftpin.cli.session import Session, in_session
from driftpin.errors import UsageError
from driftpin.settings import load_settings
from driftpin.wire.api import (
    ChatShape,
    CreateChatRequest,
    ForkRequest,
    ShareRequest,
    UpdateChatRequest,
)
from driftpin.wire.turns import ClientToolShape, MessageShape


@dataclass(frozen=True, slots=True)
class ListWish:
    """Which chats to list."""

    is_everywhere: bool
    is_archived: bool
    is_dirty: bool


@dataclass(frozen=True, slots=True)
class NewWish:
    """How a new chat is to be."""

    model: str | None
    parent: str | None
    tools: Path | None
    may_spawn: bool
    role: str | None


def new(reach: Reach, title: str, directory: Path, wish: NewWish, *, as_json: bool) -> None:
    """Make a chat in the workspace of a directory."""
    chosen = wish.model or load_settings(reach.flags()).settings.model
    tools = () if wish.tools is None else _read_tools(wish.tools)

    async def act(session: Session) -> ChatShape:
        known = session.get_directory(directory)
        above = None if wish.parent is None else await session.get_chat(wish.parent, directory)
        return await session.client.create_chat(
            CreateChatRequest(
                workspace_id=known.workspace_id,
                title=title,
                parent_id=None if above is None else above.id,
                model=chosen,
                tools=tools,
                may_spawn=wish.may_spawn,
                role=wish.role,
            )
        )

    _show_chat(in_session(reach, act), as_json=as_json)


def _read_tools(path: Path) -> tuple[ClientToolShape, ...]:
    try:
        return tuple(TypeAdapter(list[ClientToolShape]).validate_json(path.read_bytes()))
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be read.") from error
    except ValidationError as error:
        raise UsageError(
            f"{str(path)!r} is no JSON list of tools with name, description and parameters."
        ) from error


def list_chats(reach: Reach, directory: Path, wish: ListWish, *, as_json: bool) -> None:
    """List the chats that fit."""

    async def read(session: Session) -> tuple[ChatShape, ...]:
        everywhere = wish.is_everywhere
        workspace_id = None if everywhere else session.get_directory(directory).workspace_id
        is_dirty = True if wish.is_dirty else None
        return await session.list_chats(
            workspace_id, is_dirty=is_dirty, is_archived=wish.is_archived
        )

    chats = in_session(reach, read)
    if as_json:
        output.write_json(chats)
    else:
        output.write_table(CHAT_COLUMNS, map(chat_row, chats))


def show(reach: Reach, name: str, *, as_json: bool) -> None:
    """Show a chat's messages."""

    async def read(session: Session) -> tuple[ChatShape, tuple[MessageShape, ...]]:
        chat = await session.get_chat(name)
        return chat, await session.client.list_messages(chat.id)

    chat, messages = in_session(reach, read)
    if as_json:
        output.write_json({"chat": chat, "messages": messages})
        return
    say(f"chat {chat.id} {chat.title!r}, {chat.model}: {context_text(chat.context)}")
    for message in messages:
        output.write_text(f"{message.turn} {message.role}: {text_of(message)}")


def set_archived(reach: Reach, name: str, *, is_archived: bool) -> None:
    """Archive a chat or bring it back."""

    async def act(session: Session) -> ChatShape:
        chat = await session.get_chat(name)
        return await session.client.update_chat(chat.id, UpdateChatRequest(archived=is_archived))

    chat = in_session(reach, act)
    say(f"chat {chat.id} is {'archived' if chat.archived else 'back'}.")


def share(reach: Reach, name: str, user_id: str, *, may_update: bool) -> None:
    """Share a chat with a user."""
    access: Literal["read", "update"] = "update" if may_update else "read"

    async def act(session: Session, chat: ChatShape) -> None:
        await session.client.share_chat(chat.id, ShareRequest(user_id=user_id, access=access))

    chat = _with_chat(reach, name, act)
    say(f"chat {chat.id}, and the `user:` files in its pin, are shared with {user_id}: {access}.")


def unshare(reach: Reach, name: str, user_id: str) -> None:
    """Take a share back."""

    async def act(session: Session, chat: ChatShape) -> None:
        await session.client.unshare_chat(chat.id, user_id)

    chat = _with_chat(reach, name, act)
    say(f"chat {chat.id} is no longer shared with {user_id}.")


def fork(reach: Reach, name: str, turn: int, *, as_json: bool) -> None:
    """Start a chat from the end of a turn."""

    async def act(session: Session) -> ChatShape:
        chat = await session.get_chat(name)
        return await session.client.fork_chat(chat.id, ForkRequest(turn=turn))

    _show_chat(in_session(reach, act), as_json=as_json)


def delete(reach: Reach, name: str, *, is_sure: bool) -> None:
    """Delete a chat after asking."""

    async def act(session: Session, chat: ChatShape) -> None:
        if is_sure or confirm(f"Delete chat {chat.id} {chat.title!r} for good?"):
            await session.client.delete_chat(chat.id)
            say(f"chat {chat.id} is deleted.")

    _with_chat(reach, name, act)


def text_of(message: MessageShape) -> str:
    """Return a message's text parts, and other parts in a few words."""
    parts = message.content.get("parts")
    listed = parts if isinstance(parts, list) else []
    return "\n".join(_part_text(part) for part in listed if isinstance(part, dict))


def _part_text(part: Mapping[str, object]) -> str:
    if isinstance(part.get("text"), str):
        return str(part["text"])
    return f"[{part.get('type', 'part')} {part.get('name', '')}]"


def _with_chat(
    reach: Reach, name: str, act: Callable[[Session, ChatShape], Awaitable[None]]
) -> ChatShape:
    async def find_and_act(session: Session) -> ChatShape:
        chat = await session.get_chat(name)
        await act(session, chat)
        return chat

    return in_session(reach, find_and_act)


def _show_chat(chat: ChatShape, *, as_json: bool) -> None:
    if as_json:
        output.write_json(chat)
        return
    output.write_text(chat.id)
    say(f"chat {chat.id} {chat.title!r}, {chat.model}: {context_text(chat.context)}")


__all__ = [
    "ListWish",
    "NewWish",
    "delete",
    "fork",
    "list_chats",
    "new",
    "set_archived",
    "share",
    "show",
    "text_of",
    "unshare",
]
