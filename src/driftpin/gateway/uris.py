"""The addresses of pinned files: they carry chat, source and path, and stay while these do."""

from typing import Final
from urllib.parse import quote, unquote

from driftpin.identity import ChatId

SCHEME: Final = "driftpin://chats/"


def uri_of(chat_id: ChatId, source: str, path: str = "") -> str:
    """Return the address of a file: of a source itself, or of a file inside a skill."""
    behind = f"/{quote(path, safe='/')}" if path else ""
    return f"{SCHEME}{chat_id}/{quote(source, safe='')}{behind}"


def find_place(uri: str, chat_id: ChatId) -> tuple[str, str] | None:
    """Return the source and path that an address of this chat names; None for any other.

    Nothing is decoded twice, and a slash of a source is never taken for the one before a path.
    """
    begin = f"{SCHEME}{chat_id}/"
    if not uri.startswith(begin):
        return None
    source, _, path = uri.removeprefix(begin).partition("/")
    return unquote(source), unquote(path)


__all__ = ["find_place", "uri_of"]
