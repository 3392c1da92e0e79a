"""When the pin of a chat moved, for those who are connected and listen."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from driftpin import limits
from driftpin.errors import Gone, NotFound, Unauthenticated
from driftpin.identity import Actor, ChatId
from driftpin.server.event_stream import Recheck
from driftpin.server.replies import etag_of
from driftpin.server.services import Services
from driftpin.store.values import ChatView


@dataclass(frozen=True, slots=True)
class PinMoves:
    """The moves of one chat's pin, told to one caller; `recheck` gives the caller again."""

    services: Services
    actor: Actor
    recheck: Recheck
    chat_id: ChatId

    def tag_of(self, view: ChatView) -> str:
        """Return what stays for as long as a caller's lists stay: the pin, and what it may do.

        Every replica gives the same one, so a listener goes on behind it anywhere.
        """
        pin = etag_of(view.context, self.services.cursors.epoch).strip('"')
        is_archived = view.chat.archived_at is not None
        return f"{pin}-{view.access.value}-{int(is_archived)}"

    async def since(self, tag: str) -> AsyncIterator[str]:
        """Give each tag that follows `tag`, until the caller may listen no more or is sent away."""
        tailer, actor = self.services.tailer, self.actor
        endings = tailer.endings
        while not tailer.has_ended(endings):
            seen = tailer.count
            try:
                view = await self.services.store.get_chat(actor, self.chat_id)
                # Asked behind what was read: what is younger than the end of the caller's access
                # is not told.
                actor = await self.recheck()
            except (Unauthenticated, NotFound, Gone):
                return
            found = self.tag_of(view)
            if found != tag:
                tag = found
                yield tag
            else:
                await tailer.wait(seen, limits.STREAM_RECHECK_S)


__all__ = ["PinMoves"]
