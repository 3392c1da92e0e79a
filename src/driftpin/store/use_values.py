"""What the store gives back of who uses some bytes."""

from typing import NamedTuple

from driftpin.identity import ChatId


class DigestUse(NamedTuple):
    """A place in a chat's pin that names a digest."""

    chat_id: ChatId
    title: str
    source: str
    path: str


__all__ = ["DigestUse"]
