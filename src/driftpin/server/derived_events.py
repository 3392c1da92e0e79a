"""What a stored event means for the chats that a caller watches.

A push records one event and writes no chat that has a pin. For a reader, `agent.head` becomes
`chat.pinned` for each chat that it pinned, and `chat.dirty` or `chat.clean` for every chat of that
agent; a pinned chat's own event is followed by its state in the same way, and so is that of one
that holds something else. They state the present truth, so they may repeat.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from driftpin import limits
from driftpin.errors import NotFound
from driftpin.events.event import HOLDS, Event, EventKind, Payload
from driftpin.identity import Actor, AgentId, ChatId
from driftpin.server.replies import digest_in
from driftpin.store.store import Store
from driftpin.store.values import ContextSummary, PinMove


@dataclass(frozen=True, slots=True)
class Deriver:
    """Derives events for one caller; with `chat_id`, for that chat alone."""

    store: Store
    actor: Actor
    chat_id: ChatId | None = None

    async def derive(self, event: Event) -> AsyncIterator[Event]:
        """Give what `event` stands for, in pages; nothing for most kinds."""
        if event.kind is EventKind.AGENT_HEAD and event.agent_id is not None:
            async for derived in self._pin_moves(event):
                yield derived
            async for derived in self._states(event, event.agent_id):
                yield derived
        elif event.kind is EventKind.CHAT_PINNED and event.chat_id is None:
            async for derived in self._pin_moves(event):
                yield derived
                async for state in self._state_of(event, derived.chat_id):
                    yield state
        elif event.kind is EventKind.CHAT_PINNED or HOLDS in event.payload:
            async for state in self._state_of(event, event.chat_id):
                yield state

    async def _pin_moves(self, event: Event) -> AsyncIterator[Event]:
        after: ChatId | None = None
        while True:
            moves = await self.store.list_pin_moves(
                self.actor, event.position.number, after=after, limit=limits.EVENTS_PAGE_MAX
            )
            for move in moves:
                if self.chat_id in (None, move.chat_id):
                    yield _derived(event, EventKind.CHAT_PINNED, move.chat_id, _moved(move))
            if len(moves) < limits.EVENTS_PAGE_MAX:
                return
            after = moves[-1].chat_id

    async def _states(self, event: Event, agent_id: AgentId) -> AsyncIterator[Event]:
        chosen = None if self.chat_id is None else (self.chat_id,)
        after: ChatId | None = None
        while True:
            states = await self.store.list_drift_states(
                self.actor, agent_id, chosen, limits.EVENTS_PAGE_MAX, after
            )
            for state in states:
                yield _state_event(event, state.chat_id, state.context)
            if len(states) < limits.EVENTS_PAGE_MAX:
                return
            after = states[-1].chat_id

    async def _state_of(self, event: Event, chat_id: ChatId | None) -> AsyncIterator[Event]:
        assert chat_id is not None, "a pinned chat has an id"
        try:
            view = await self.store.get_chat(self.actor, chat_id)
        except NotFound:
            return
        yield _state_event(event, chat_id, view.context)


def _state_event(event: Event, chat_id: ChatId, context: ContextSummary) -> Event:
    kind = EventKind.CHAT_DIRTY if context.dirty else EventKind.CHAT_CLEAN
    payload: Payload = {
        "revision": context.revision,
        "snapshot": digest_in(context.snapshot),
        "head": digest_in(context.head),
        "severity": None if context.severity is None else context.severity.value,
    }
    return _derived(event, kind, chat_id, payload)


def _moved(move: PinMove) -> Payload:
    return {
        "revision": move.revision,
        "snapshot": digest_in(move.snapshot),
        "verb": move.verb,
    }


def _derived(event: Event, kind: EventKind, chat_id: ChatId, payload: Payload) -> Event:
    return Event(
        position=event.position,
        kind=kind,
        at=event.at,
        payload=payload,
        workspace_id=event.workspace_id,
        chat_id=chat_id,
        agent_id=event.agent_id,
    )


__all__ = ["Deriver"]
