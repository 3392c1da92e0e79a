"""What the fault tests see in the rows themselves, whatever the server says of them."""

from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Table, func, select

from driftpin.context.manifest import resources_of
from driftpin.context.resource import blobs_of
from driftpin.identity import WORKER, AgentId, ChatId, WorkspaceId
from driftpin.operations.check_store import check_store
from driftpin.store.store import Store
from driftpin.store.tables import (
    agent_heads,
    blobs,
    chat_pin_history,
    chat_pins,
    chats,
    events,
    messages,
    snapshots,
)
from faults.deeds import Deed, Done, Verb

PAGE = 500


class Census(NamedTuple):
    """How many rows there are of everything that a deed may add to."""

    heads: int
    moves: int
    chats: int
    messages: int
    events: int
    snapshots: int
    blobs: int

    def less(self, other: "Census") -> "Census":
        return Census(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


NOTHING = Census(0, 0, 0, 0, 0, 0, 0)
COUNTED: tuple[Table, ...] = (
    agent_heads,
    chat_pin_history,
    chats,
    messages,
    events,
    snapshots,
    blobs,
)
# What each deed adds when it happens, and all that it may add.
ADDS = {
    Verb.PUSH: Census(1, 0, 0, 0, 1, 1, 2),
    Verb.FIRST_PUSH: Census(1, 1, 0, 0, 1, 1, 2),
    Verb.CREATE: Census(0, 1, 1, 0, 1, 0, 0),
    **dict.fromkeys((Verb.REFRESH, Verb.ROLL_BACK, Verb.REBIND), Census(0, 1, 0, 0, 1, 0, 0)),
}


async def take_census(store: Store) -> Census:
    counts = [select(func.count()).select_from(table).scalar_subquery() for table in COUNTED]
    async with store.database.read() as connection:
        return Census(*(await connection.execute(select(*counts))).one())


@dataclass(slots=True)
class Ledger:
    """Everything that was acknowledged, by what must be found of it."""

    heads: dict[tuple[str, int], str] = field(default_factory=dict)
    pins: dict[tuple[str, int], str | None] = field(default_factory=dict)
    messages: dict[tuple[str, str], str] = field(default_factory=dict)

    def keep(self, deed: Deed, done: Done) -> None:
        """Note what a deed was answered with."""
        match deed.verb:
            case Verb.PUSH | Verb.FIRST_PUSH:
                if done.result != "unchanged":
                    self.heads[deed.agent_id, deed.seq] = deed.snapshot[0].digest
            case Verb.CREATE | Verb.REFRESH | Verb.ROLL_BACK | Verb.REBIND:
                self.pins[done.chat_id, done.revision] = done.digest
            case Verb.SAY:
                self.messages[done.chat_id, done.digest or ""] = deed.text
            case _:
                pass


async def audit(store: Store, ledger: Ledger) -> list[str]:
    """Return what is missing of what was acknowledged, and whatever else is wrong in the store."""
    findings = [f"fsck: {finding.id}" for finding in await check_store(store, WORKER)]
    return [
        *findings,
        *await _missing_heads(store, ledger),
        *await _missing_pins(store, ledger),
        *await _missing_messages(store, ledger),
        *await _events_without_change(store),
        *await _unreadable_pins(store),
    ]


async def _missing_heads(store: Store, ledger: Ledger) -> list[str]:
    columns = (agent_heads.c.agent_id, agent_heads.c.seq, agent_heads.c.digest)
    async with store.database.read() as connection:
        found = {(row[0], row[1]): row[2] for row in await connection.execute(select(*columns))}
    lost = [
        f"acknowledged push {key} with {digest} is {found.get(key)}"
        for key, digest in ledger.heads.items()
        if found.get(key) != digest
    ]
    for agent_id in {agent_id for agent_id, _ in found}:
        agent = await store.get_agent(WORKER, AgentId(agent_id))
        newest = max(seq for owner, seq in found if owner == agent_id)
        if agent.head is None or agent.head.digest != found[agent_id, newest]:
            lost.append(f"the head of {agent_id} is not its newest push, {newest}")
    return lost


async def _missing_pins(store: Store, ledger: Ledger) -> list[str]:
    history, ids = chat_pin_history.c, select(chat_pins.c.chat_id)
    async with store.database.read() as connection:
        rows = await connection.execute(
            select(history.chat_id, history.revision, history.to_digest)
        )
        found = {(row[0], row[1]): row[2] for row in rows}
        known = set((await connection.execute(ids)).scalars())
    return [
        f"acknowledged pin {key} with {digest} is {found.get(key)}"
        for key, digest in ledger.pins.items()
        if key[0] not in known or (key[1] > 0 and found.get(key) != digest)
    ]


async def _missing_messages(store: Store, ledger: Ledger) -> list[str]:
    async with store.database.read() as connection:
        rows = (await connection.execute(select(messages.c.chat_id, messages.c.id))).all()
    found = {tuple(row) for row in rows}
    return [f"acknowledged message {key} is gone" for key in ledger.messages if key not in found]


async def _events_without_change(store: Store) -> list[str]:
    """Every `agent.head` has its row of a head, and every `chat.pinned` its row of history."""
    async with store.database.read() as connection:
        kinds = await connection.execute(
            select(events.c.kind, func.count()).group_by(events.c.kind)
        )
        told = {row[0]: row[1] for row in kinds}
        heads = await connection.scalar(select(func.count()).select_from(agent_heads))
        statement = select(events.c.id).where(
            events.c.kind == "chat.pinned",
            ~select(chat_pin_history.c.event_id)
            .where(chat_pin_history.c.event_id == events.c.id)
            .exists(),
        )
        orphans = (await connection.execute(statement)).scalars().all()
    found = [f"event {number} says that a pin moved, and none did" for number in orphans]
    if told.get("agent.head", 0) != heads:
        found.append(f"there are {told.get('agent.head', 0)} events for {heads} heads")
    return found


async def _unreadable_pins(store: Store) -> list[str]:
    """Every byte that a pin names can be read."""
    async with store.database.read() as connection:
        ids = (await connection.execute(select(chat_pins.c.chat_id))).scalars().all()
    lost = []
    for chat_id in ids:
        pin = await store.read_pin(WORKER, ChatId(chat_id))
        if pin.manifest is None:
            continue
        named = {
            blob.digest for resource in resources_of(pin.manifest) for blob in blobs_of(resource)
        }
        read = await store.read_blobs(WORKER, WorkspaceId(pin.chat.workspace_id), named)
        lost += [f"{digest}, pinned by {chat_id}, is gone" for digest in named - read.keys()]
    return lost


__all__ = ["ADDS", "NOTHING", "Census", "Ledger", "audit", "take_census"]
