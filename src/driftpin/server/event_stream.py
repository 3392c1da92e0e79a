"""The stream of events: read from rows behind a cursor, filtered by what the caller may see.

What a push means for the chats of the caller is derived (`derived_events`). Derived events come
before the stored one that they belong to and carry no cursor, so a reader that is cut off between
the two gets both again and misses neither.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from sse_starlette.event import ServerSentEvent
from starlette.responses import Response

from driftpin import limits
from driftpin.errors import Gone, NotFound, Unauthenticated
from driftpin.events.event import Event, Position
from driftpin.failpoints import Failpoint
from driftpin.identity import Actor, ChatId, WorkspaceId
from driftpin.server.derived_events import Deriver
from driftpin.server.services import Services
from driftpin.server.sse import sent_event, stream_response
from driftpin.store.event_order import resync_required
from driftpin.wire.api import EventShape

Recheck = Callable[[], Awaitable[Actor]]


@dataclass(slots=True)
class EventStream:
    """One reader's stream. Call `begin` first; `recheck` gives the caller again, or refuses it."""

    services: Services
    recheck: Recheck
    actor: Actor
    workspace_id: WorkspaceId | None = None
    chat_id: ChatId | None = None
    _position: Position = field(default=Position(0, 0))

    async def begin(self, cursor: str | None) -> None:
        """Stand behind `cursor`, or at the present end.

        Raises NotFound for a chat or workspace that the caller may not see, Malformed
        (`bad_cursor`), and Gone (`resync_required`) for a cursor that is too old or of the future.
        """
        store = self.services.store
        await self._check_place()
        asked = None if cursor is None else self.services.cursors.read_event(cursor)
        first, last = await store.first_and_last_position(self.actor)
        if asked is not None and not first <= asked <= last:
            raise resync_required()
        self._position = last if asked is None else asked
        await store.database.reach(Failpoint.STREAM_LIST_DONE)

    def response(self) -> Response:
        """Return the stream as a response."""
        return stream_response(self.events(), self.services, self.actor)

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Give events until the server stops, the caller may no longer listen, or fell behind.

        Whoever comes back behind removed events is told so (`begin`).
        """
        tailer, store = self.services.tailer, self.services.store
        endings = tailer.endings
        yield ServerSentEvent(comment="open", id=self._cursor(), sep="\n")
        await store.database.reach(Failpoint.STREAM_ATTACHED)
        while not tailer.has_ended(endings):
            seen = tailer.count
            try:
                async with tailer.unhurried():
                    batch, position = await self._read()
                    is_welcome = await self._is_welcome()
            except Gone:
                return
            if not is_welcome:
                return
            for event in batch:
                deriver = Deriver(store, self.actor, self.chat_id)
                found = [derived async for derived in deriver.derive(event)]
                if found and not await self._is_welcome():
                    # What was derived just now may be younger than the end of the caller's access.
                    return
                for derived in found:
                    yield sent_event(derived.kind.value, _shape(derived))
                await store.database.reach(Failpoint.STREAM_BEFORE_SEND)
                self._position = event.position
                yield sent_event(event.kind.value, _shape(event), self._cursor())
                self._measure_lag(event)
            self._position = position
            if not await self._is_there():
                return
            if not batch and not await self._rest(seen):
                return

    async def _rest(self, seen: int) -> bool:
        """Wait until it is time to look again; return False if the caller may listen no more.

        While nothing is committed all that can end is the credential. That is asked together with
        the other streams; to look for events each by itself is the work of an idle server.
        """
        for _ in range(limits.STREAM_QUIET_PERIODS_MAX):
            if await self.services.tailer.rest(seen, limits.STREAM_RECHECK_S):
                return True
            if not await self._is_welcome():
                return False
        return True

    async def _read(self) -> tuple[tuple[Event, ...], Position]:
        return await self.services.store.list_events(
            self.actor,
            after=self._position,
            limit=limits.EVENTS_PAGE_MAX,
            workspace_id=self.workspace_id,
            chat_id=self.chat_id,
        )

    async def _is_welcome(self) -> bool:
        """Whether the caller's token is still good; asked behind reading and before sending."""
        try:
            self.actor = await self.recheck()
        except (Unauthenticated, Gone):
            return False
        return True

    async def _is_there(self) -> bool:
        """Whether the caller may still see what the stream is of; else nothing more will come."""
        try:
            await self._check_place()
        except (NotFound, Gone):
            return False
        return True

    async def _check_place(self) -> None:
        if self.chat_id is not None:
            await self.services.store.get_chat(self.actor, self.chat_id)
        if self.workspace_id is not None:
            await self.services.store.get_workspace(self.actor, self.workspace_id)

    def _measure_lag(self, event: Event) -> None:
        lag_s = (self.services.clock.now() - event.at).total_seconds()
        self.services.metrics.event_lag.observe(max(0.0, lag_s))

    def _cursor(self) -> str:
        return self.services.cursors.write_event(self._position)


def _shape(event: Event) -> EventShape:
    return EventShape(
        kind=event.kind.value,
        at=event.at,
        workspace_id=event.workspace_id,
        chat_id=event.chat_id,
        agent_id=event.agent_id,
        payload=dict(event.payload),
    )


__all__ = ["EventStream", "Recheck"]
