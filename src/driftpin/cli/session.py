"""A command's conversation with a server, from its first call to its last."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from driftpin import limits
from driftpin.cli.options import Reach
from driftpin.cli.remembered import KnownDirectory, Remembered
from driftpin.cli.target import get_target
from driftpin.client import Client
from driftpin.errors import NotFound, UsageError
from driftpin.identity import is_id
from driftpin.settings import load_settings, state_directory
from driftpin.wire.api import ChatShape
from driftpin.wire.reading import refusal_of

Outcome = TypeVar("Outcome")
LAST_CHAT_NAMES: Final = ("last", ".")
_PART_CHARACTERS_MIN: Final = 4


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in client, and what is remembered of the directories around."""

    client: Client
    remembered: Remembered

    def get_directory(self, directory: Path) -> KnownDirectory:
        """Return the pinned directory at or above this one; UsageError if there is none."""
        known = self.remembered.find_nearest_directory(directory.resolve())
        if known is None:
            raise UsageError(
                f"{str(directory.resolve())!r} is not pinned yet; start `driftpin up` there.",
                code="unknown_directory",
            )
        return known

    async def get_chat(self, name: str, directory: Path | None = None) -> ChatShape:
        """Return the chat of that id, of that unique beginning or end of one, or the newest.

        Raises NotFound when none fits and UsageError (`ambiguous_chat`) when several do.
        """
        if name in LAST_CHAT_NAMES:
            return await self._newest_chat(directory or Path())
        if is_id(name):
            return await self.client.get_chat(name)
        if len(name) < _PART_CHARACTERS_MIN:
            raise UsageError(
                f"{name!r} names no chat; give an id, at least {_PART_CHARACTERS_MIN} characters of"
                " its beginning or end, or `last`.",
                code="no_chat_name",
            )
        return await self._chat_with_part(name)

    async def list_chats(
        self,
        workspace_id: str | None = None,
        *,
        is_dirty: bool | None = None,
        is_archived: bool | None = False,
    ) -> tuple[ChatShape, ...]:
        """Return every chat that fits, the newest first; `is_archived` None takes both."""
        chats: list[ChatShape] = []
        cursor: str | None = None
        while True:
            page = await self.client.list_chats(
                workspace_id=workspace_id,
                is_dirty=is_dirty,
                is_archived=is_archived,
                cursor=cursor,
                limit=limits.API_PAGE_ITEMS_MAX,
            )
            chats += page.items
            cursor = page.next
            if cursor is None:
                return tuple(sorted(chats, key=lambda chat: chat.id, reverse=True))

    async def _newest_chat(self, directory: Path) -> ChatShape:
        known = self.get_directory(directory)
        chats = await self.list_chats(known.workspace_id)
        if not chats:
            raise NotFound(
                f"{str(known.path)!r} has no chat yet; make one with `driftpin chat new`.",
                code="no_chat",
            )
        return chats[0]

    async def _chat_with_part(self, part: str) -> ChatShape:
        chats = await self.list_chats(is_archived=None)
        found = [chat for chat in chats if chat.id.startswith(part) or chat.id.endswith(part)]
        if not found:
            raise NotFound(f"No chat of yours has an id that starts or ends with {part!r}.")
        if len(found) > 1:
            raise UsageError(
                f"{part!r} fits {len(found)} chats: {', '.join(chat.id for chat in found[:5])}.",
                code="ambiguous_chat",
            )
        return found[0]


def in_session(reach: Reach, action: Callable[[Session], Awaitable[Outcome]]) -> Outcome:
    """Run an action against the server that the flags, the settings or the state name.

    What cannot be written into a request is refused as the server would refuse it.
    """
    target = get_target(reach)
    state = state_directory(load_settings(reach.flags()).settings)

    async def run() -> Outcome:
        async with Client(target.url, target.token) as client:
            try:
                return await action(Session(client, Remembered(state)))
            except ValidationError as error:
                raise refusal_of(error) from None

    return asyncio.run(run())


__all__ = ["Session", "in_session"]
