"""Refresh the owner's chats of one agent, asked for by the agent itself, where nothing weighs."""

from collections.abc import Iterable
from typing import Final

from driftpin.context.severity import Severity
from driftpin.events.event import EventKind
from driftpin.identity import Actor, AgentId
from driftpin.operations.dirty_pins import sort_dirty
from driftpin.operations.dry_run import carry_out
from driftpin.operations.single_moves import refreshed
from driftpin.store.access import require_agent
from driftpin.store.database import Transaction
from driftpin.store.reading.drift_summaries import find_drifts
from driftpin.store.store import Store
from driftpin.store.values import PinMove, SnapshotRef
from driftpin.store.writing.events import record_event
from driftpin.store.writing.heads import list_heads, share_workspace
from driftpin.store.writing.holds import drop_holds
from driftpin.store.writing.permits import PermittedAgent, permit_on_agent
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


async def refresh_agent_chats(
    store: Store, actor: Actor, *, dry_run: bool = False
) -> tuple[PinMove, ...]:
    """Return one outcome for each dirty chat: moved, or left (`needs_a_person`, `frozen`).

    The chats are those of the workspace's owner that are bound to the acting agent. Whether agents
    may ask for this at all is the server's setting. With `dry_run` nothing is moved.
    """
    agent_id = require_agent(actor)

    async def refresh(transaction: Transaction) -> tuple[PinMove, ...]:
        agent = await permit_on_agent(transaction, actor, agent_id, action="pin.refresh_agent")
        await share_workspace(transaction, agent.workspace_id)

        async def refresh_all(inside: Transaction) -> tuple[PinMove, ...]:
            return await _refresh(inside, actor, agent)

        return await carry_out(transaction, refresh_all, dry_run=dry_run)

    return await store.database.write(refresh)


async def _refresh(
    transaction: Transaction, actor: Actor, agent: PermittedAgent
) -> tuple[PinMove, ...]:
    mine = of_owner(agent.workspace_id, agent.owner_id) & of_agent(agent.id)
    pins = await lock_pins(transaction, mine)
    head = (await list_heads(transaction, {agent.id})).get(agent.id)
    if head is None:
        return ()
    differing = [pin for pin in pins if pin.snapshot_id != head.id]
    dirty = await sort_dirty(transaction, dict.fromkeys(differing, head))
    light = await _light(transaction, dirty.due, head)
    if light:
        await _move(transaction, actor, agent.id, light, head)
        await drop_holds(transaction, [pin.chat_id for pin in light])
    moved = [refreshed(pin, head) if pin in light else _left(pin) for pin in dirty.due]
    return (*moved, *dirty.left)


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


def _left(pin: LockedPin) -> PinMove:
    verb = PinVerb.REFRESH.value
    return PinMove(pin.chat_id, pin.revision, None, moved=False, verb=verb, reason="needs_a_person")


__all__ = ["refresh_agent_chats"]
