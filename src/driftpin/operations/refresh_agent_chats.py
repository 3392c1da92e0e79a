"""Refresh the owner's chats of one agent, asked for by the agent itself, where nothing weighs."""

from collections.abc import Iterable
from typing import Final

from driftpin.context.severity import Severity
from driftpin.events.event import EventKind
from driftpin.identity import Actor, AgentId
from driftpin.store.access import require_agent
from driftpin.store.database import Transaction
from driftpin.store.reading.drift_summaries import find_drifts
from driftpin.store.store import Store
from driftpin.store.values import PinMove, SnapshotRef
from driftpin.store.writing.events import record_event
from driftpin.store.writing.heads import list_heads, share_workspace
from driftpin.store.writing.permits import permit_on_agent
from driftpin.store.writing.pins import (
    LockedPin,
    Move,
    PinVerb,
    lock_pins,
    move_pins,
    of_agent,
    of_owner,
)

INPUTS: Final = {"scope": "agent"}
# Whoever can edit a file in the workspace could accept the edit, so nothing that steers a model is.
HEAVIEST: Final = Severity.ADDITIVE


async def refresh_agent_chats(store: Store, actor: Actor) -> tuple[PinMove, ...]:
    """Return one outcome for each dirty chat: moved, or not because its drift is behavioural.

    The chats are those of the workspace's owner that are bound to the acting agent. Whether agents
    may ask for this at all is the server's setting.
    """
    agent_id = require_agent(actor)

    async def refresh(transaction: Transaction) -> tuple[PinMove, ...]:
        agent = await permit_on_agent(transaction, actor, agent_id, action="pin.refresh_agent")
        await share_workspace(transaction, agent.workspace_id)
        mine = of_owner(agent.workspace_id, agent.owner_id) & of_agent(agent_id)
        pins = await lock_pins(transaction, mine)
        head = (await list_heads(transaction, {agent_id})).get(agent_id)
        if head is None:
            return ()
        dirty = [pin for pin in pins if pin.snapshot_id != head.id]
        light = await _light(transaction, dirty, head)
        if light:
            await _move(transaction, actor, agent_id, light, head)
        return tuple(_outcome(pin, head, moved=pin in light) for pin in dirty)

    return await store.database.write(refresh)


async def _light(
    transaction: Transaction, dirty: Iterable[LockedPin], head: SnapshotRef
) -> list[LockedPin]:
    pairs = {pin: (pin.snapshot_id, head.id) for pin in dirty if pin.snapshot_id is not None}
    found = await find_drifts(transaction.connection, set(pairs.values()))
    severities = {pin: found[pair].drift.severity for pin, pair in pairs.items()}
    return [pin for pin, severity in severities.items() if severity is None or severity <= HEAVIEST]


async def _move(
    transaction: Transaction,
    actor: Actor,
    agent_id: AgentId,
    pins: list[LockedPin],
    head: SnapshotRef,
) -> None:
    event_id = await record_event(
        transaction,
        EventKind.CHAT_PINNED,
        workspace_id=pins[0].workspace_id,
        agent_id=agent_id,
        payload={"verb": PinVerb.REFRESH.value},
    )
    move = Move(
        verb=PinVerb.REFRESH, actor=actor, agent_id=agent_id, event_id=event_id, inputs=INPUTS
    )
    await move_pins(transaction, [pin.chat_id for pin in pins], head, move)


def _outcome(pin: LockedPin, head: SnapshotRef, *, moved: bool) -> PinMove:
    return PinMove(
        chat_id=pin.chat_id,
        revision=pin.revision + moved,
        snapshot=head if moved else None,
        moved=moved,
        verb=PinVerb.REFRESH.value,
    )


__all__ = ["refresh_agent_chats"]
