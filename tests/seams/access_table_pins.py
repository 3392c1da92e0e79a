"""Who may do what with blobs, snapshots, pins and events."""

from collections.abc import Awaitable, Callable

from driftpin.context.manifest import snapshot_of
from driftpin.context.policies import Policy, PolicySet
from driftpin.events.event import Position
from driftpin.identity import Actor, digest_of
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.check_store import check_rows, check_store, stream_findings
from driftpin.operations.collect_garbage import collect_garbage
from driftpin.operations.foresee_refresh import foresee_refresh
from driftpin.operations.import_snapshot import import_snapshot
from driftpin.operations.keep_drift import keep_drift
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.refresh_agent_chats import refresh_agent_chats
from driftpin.operations.refresh_context import Refresh, refresh_context
from driftpin.operations.refresh_workspace_chats import refresh_workspace_chats
from driftpin.operations.release_holds import release_holds
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.operations.set_chat_policies import set_chat_policies
from driftpin.operations.set_workspace_policies import set_workspace_policies
from driftpin.operations.settle_pin import settle_pin
from driftpin.operations.store_blobs import store_blobs
from seams.access_world import (
    AGENTS,
    MASTERS,
    NO_USERS,
    READERS,
    UPDATERS,
    Caller,
    Outcomes,
    Row,
    World,
    outcomes,
)

BEGINNING = Position(0, 0)
FOLLOW = PolicySet(Policy.FOLLOW)
CHAT_READERS = outcomes("not_found", ok=READERS | {Caller.WORKER})
CHAT_UPDATERS = outcomes("not_found", ok=UPDATERS, forbidden={Caller.READER}, **NO_USERS)
WORKSPACE = outcomes("not_found", ok=MASTERS | {Caller.WORKER, Caller.OWN_AGENT})
WORKERS = outcomes("not_found", ok={Caller.WORKER})
EVERY_AGENT = outcomes("wrong_token_type", ok=AGENTS, unauthenticated={Caller.NOBODY})

Attempt = Callable[[World, Actor], Awaitable[object]]


def reads(name: str, read: Attempt, found: Outcomes) -> Row:
    """Return the row of a method of the store."""
    return Row(f"Store.{name}", read, found)


async def _chats_events(world: World, actor: Actor) -> object:
    """Look at what a chat's readers alone may know: everybody but them sees nothing of it."""
    found, _ = await world.store.list_events(
        actor, after=BEGINNING, limit=100, chat_id=world.chat_id
    )
    return tuple(event for event in found if event.chat_id == world.chat_id)


async def _pin_moves(world: World, actor: Actor) -> object:
    return await world.store.list_pin_moves(actor, await world.pin_event(), limit=10)


async def _drift_states(world: World, actor: Actor) -> object:
    return await world.store.list_drift_states(actor, world.agent_id, None, 10, None)


async def _accept_snapshot(world: World, actor: Actor) -> object:
    return await accept_snapshot(
        world.store,
        actor,
        incarnation=1,
        seq=world.pushes + 1,
        snapshot=snapshot_of(()),
        observations={},
        blobs=[],
    )


async def _store_blobs(world: World, actor: Actor) -> object:
    await store_blobs(world.store, actor, [(digest_of(b"new"), b"new")])
    return "done"


async def _import_snapshot(world: World, actor: Actor) -> object:
    return await import_snapshot(world.store, actor, world.workspace_id, snapshot_of(()), [])


async def _refresh(world: World, actor: Actor) -> object:
    return await refresh_context(world.store, actor, await world.drifted_chat())


async def _foresee(world: World, actor: Actor) -> object:
    return await foresee_refresh(world.store, actor, await world.drifted_chat(), Refresh())


async def _release(world: World, actor: Actor) -> object:
    await release_holds(world.store, actor, world.chat_id, None)
    return "done"


async def _refresh_workspace(world: World, actor: Actor) -> object:
    return await refresh_workspace_chats(world.store, actor, world.workspace_id)


async def _refresh_agent(world: World, actor: Actor) -> object:
    await world.drifted_chat()
    return await refresh_agent_chats(world.store, actor)


async def _roll_back(world: World, actor: Actor) -> object:
    return await roll_back_context(world.store, actor, world.chat_id, world.head)


async def _rebind(world: World, actor: Actor) -> object:
    return await rebind_chat(world.store, actor, world.chat_id, world.agent_id)


async def _set_chat_policies(world: World, actor: Actor) -> object:
    return await set_chat_policies(world.store, actor, await world.drifted_chat(), FOLLOW)


async def _set_workspace_policies(world: World, actor: Actor) -> object:
    await world.drifted_chat()
    return await set_workspace_policies(world.store, actor, world.workspace_id, FOLLOW)


async def _findings(world: World, actor: Actor) -> object:
    return [finding async for finding in stream_findings(world.store, actor)]


async def _keep_drift(world: World, actor: Actor) -> object:
    await world.drifted_chat()
    return await keep_drift(world.store, actor, world.agent_id)


READS = (
    reads(
        "read_pin", lambda world, actor: world.store.read_pin(actor, world.chat_id), CHAT_READERS
    ),
    reads(
        "list_pinned_entries",
        lambda world, actor: world.store.list_pinned_entries(actor, world.chat_id),
        CHAT_READERS,
    ),
    reads(
        "read_drift",
        lambda world, actor: world.store.read_drift(actor, world.chat_id),
        CHAT_READERS,
    ),
    reads(
        "list_holds",
        lambda world, actor: world.store.list_holds(actor, world.chat_id),
        outcomes("not_found", nothing=READERS | {Caller.WORKER}),
    ),
    reads(
        "list_head_manifests",
        lambda world, actor: world.store.list_head_manifests(actor, world.chat_id, limit=3),
        CHAT_READERS,
    ),
    reads(
        "list_history",
        lambda world, actor: world.store.list_history(actor, world.chat_id, None, 10),
        CHAT_READERS,
    ),
    reads(
        "get_workspace_head",
        lambda world, actor: world.store.get_workspace_head(actor, world.workspace_id),
        WORKSPACE,
    ),
    reads(
        "get_snapshot_manifest",
        lambda world, actor: world.store.get_snapshot_manifest(actor, world.head),
        CHAT_READERS,
    ),
    reads("read_blob", lambda world, actor: world.store.read_blob(actor, world.blob), CHAT_READERS),
    reads(
        "read_blobs",
        lambda world, actor: world.store.read_blobs(actor, world.workspace_id, [world.blob]),
        outcomes("nothing", ok=READERS | {Caller.WORKER}),
    ),
    reads("list_events", _chats_events, outcomes("nothing", ok=READERS | {Caller.WORKER})),
    reads("list_pin_moves", _pin_moves, outcomes("nothing", ok=READERS | {Caller.WORKER})),
    reads("list_drift_states", _drift_states, outcomes("nothing", ok=READERS | {Caller.WORKER})),
    reads(
        "first_and_last_position",
        lambda world, actor: world.store.first_and_last_position(actor),
        outcomes("ok", unauthenticated={Caller.NOBODY}),
    ),
)

OPERATIONS = (
    Row(
        "accept_snapshot",
        _accept_snapshot,
        outcomes(
            "wrong_token_type",
            unauthenticated={Caller.NOBODY},
            ok={Caller.OWN_AGENT},
            hello_required={Caller.OTHER_AGENT},
        ),
    ),
    Row("store_blobs", _store_blobs, EVERY_AGENT),
    Row("import_snapshot", _import_snapshot, outcomes("not_found", ok=MASTERS, **NO_USERS)),
    Row("refresh_context", _refresh, CHAT_UPDATERS),
    Row("foresee_refresh", _foresee, CHAT_UPDATERS),
    Row("release_holds", _release, CHAT_UPDATERS),
    Row(
        "refresh_workspace_chats",
        _refresh_workspace,
        outcomes("not_found", nothing=MASTERS, **NO_USERS),
    ),
    Row(
        "refresh_agent_chats",
        _refresh_agent,
        outcomes(
            "wrong_token_type",
            unauthenticated={Caller.NOBODY},
            ok={Caller.OWN_AGENT},
            nothing={Caller.OTHER_AGENT},
        ),
    ),
    Row("roll_back_context", _roll_back, CHAT_UPDATERS),
    Row("rebind_chat", _rebind, CHAT_UPDATERS),
    Row("set_chat_policies", _set_chat_policies, CHAT_UPDATERS),
    Row(
        "set_workspace_policies",
        _set_workspace_policies,
        outcomes("not_found", ok=MASTERS, **NO_USERS),
    ),
    Row(
        "settle_pin",
        lambda world, actor: settle_pin(world.store, actor, world.chat_id),
        outcomes("not_found", ok=UPDATERS | {Caller.WORKER}, forbidden={Caller.READER}),
    ),
    Row("keep_drift", _keep_drift, WORKERS),
    Row(
        "collect_garbage",
        lambda world, actor: collect_garbage(world.store, actor),
        WORKERS,
    ),
    Row(
        "check_store",
        lambda world, actor: check_store(world.store, actor),
        outcomes("not_found", nothing={Caller.WORKER}),
    ),
    Row(
        "check_rows",
        lambda world, actor: check_rows(world.store, actor),
        outcomes("not_found", nothing={Caller.WORKER}),
    ),
    Row("stream_findings", _findings, outcomes("not_found", nothing={Caller.WORKER})),
)

ROWS = READS + OPERATIONS
