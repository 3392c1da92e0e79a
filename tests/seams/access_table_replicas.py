"""Who may do what with links, calls to agents, and the deployment as a whole."""

from driftpin.chat.tools import Progress
from driftpin.identity import WORKER, Actor, CallId, LinkId
from driftpin.operations.ask_agent import ask_agent
from driftpin.operations.close_lost_calls import close_lost_calls
from driftpin.operations.finish_call import CallEnd, finish_call
from driftpin.operations.forget_links import forget_links
from driftpin.operations.hold_link import hold_link
from driftpin.operations.note_call_progress import note_call_progress
from driftpin.operations.pause_sync import pause_sync
from driftpin.operations.record_tool_verdict import record_tool_verdict
from driftpin.operations.release_link import release_link
from driftpin.operations.renew_links import renew_links
from driftpin.operations.start_calls import start_calls
from driftpin.operations.withdraw_call import withdraw_call
from seams.access_table import EVERY_AGENT, MASTER_WORKSPACE, WORKERS
from seams.access_world import MASTERS, NO_ID, NO_USERS, Caller, Row, World, outcomes

HOLDER = "a replica"


async def _hold(world: World, actor: Actor) -> object:
    return await hold_link(world.store, actor, incarnation=None, holder=HOLDER, lease_s=60)


async def _held_link(world: World) -> LinkId:
    """Return the link of the owner's agent, held by a replica."""
    with world.recorder.aside():
        return await hold_link(
            world.store, world.people.agent, incarnation=None, holder=HOLDER, lease_s=60
        )


async def _asked(world: World) -> CallId:
    """Return a call to the owner's agent; it is the only one that waits."""
    await _held_link(world)
    with world.recorder.aside():
        for call in await start_calls(world.store, WORKER, holder=HOLDER):
            await finish_call(world.store, WORKER, call.id, CallEnd({}))
        call_id, _ = await ask_agent(
            world.store, world.people.owner, world.people.agent_id, "ping", {}, holder="another"
        )
    return CallId(NO_ID) if world.is_nowhere else call_id


async def _ask(world: World, actor: Actor) -> object:
    await _held_link(world)
    return await ask_agent(world.store, actor, world.agent_id, "ping", {}, holder="another")


async def _record_tool_verdict(world: World, actor: Actor) -> object:
    await record_tool_verdict(
        world.store, actor, world.chat_id, tool="mcp:a/b", verdict="tool_changed", policy="warn"
    )
    return "done"


async def _release_link(world: World, actor: Actor) -> object:
    held = await _held_link(world)
    return await release_link(world.store, actor, world.agent_id, held)


async def _start_calls(world: World, actor: Actor) -> object:
    await _asked(world)
    started = await start_calls(world.store, actor, holder=HOLDER)
    with world.recorder.aside():
        for call in started:
            await finish_call(world.store, WORKER, call.id, CallEnd({}))
    return started


async def _note_call_progress(world: World, actor: Actor) -> object:
    await note_call_progress(world.store, actor, await _asked(world), Progress(1.0))
    return "done"


async def _finish_call(world: World, actor: Actor) -> object:
    return await finish_call(world.store, actor, await _asked(world), CallEnd({}))


async def _withdraw_call(world: World, actor: Actor) -> object:
    return await withdraw_call(world.store, actor, await _asked(world), "agent_offline")


async def _get_call(world: World, actor: Actor) -> object:
    call_id = await _asked(world)
    with world.recorder.aside():
        await withdraw_call(world.store, WORKER, call_id, "agent_offline")
    return await world.store.get_call(actor, call_id)


async def _close_lost_calls(world: World, actor: Actor) -> object:
    await close_lost_calls(world.store, actor)
    return "done"


async def _forget_links(world: World, actor: Actor) -> object:
    await forget_links(world.store, actor)
    return "done"


ROWS = (
    Row(
        "Store.get_call",
        _get_call,
        outcomes("not_found", ok=MASTERS | {Caller.OWN_AGENT, Caller.WORKER}),
    ),
    Row(
        "Store.list_link_standings",
        lambda world, actor: world.store.list_link_standings(actor, {world.blob}),
        outcomes("not_found", nothing={Caller.WORKER}),
    ),
    Row("Store.count_stock", lambda world, actor: world.store.count_stock(actor), WORKERS),
    Row("Store.read_beat", lambda world, actor: world.store.read_beat(actor), WORKERS),
    Row("ask_agent", _ask, {**MASTER_WORKSPACE, Caller.WORKER: "ok"}),
    Row("close_lost_calls", _close_lost_calls, WORKERS),
    Row("finish_call", _finish_call, WORKERS),
    Row("note_call_progress", _note_call_progress, WORKERS),
    Row("forget_links", _forget_links, WORKERS),
    Row("hold_link", _hold, EVERY_AGENT),
    Row(
        "pause_sync",
        lambda world, actor: pause_sync(world.store, actor, is_paused=False),
        outcomes("forbidden", ok={Caller.ADMINISTRATOR}, **NO_USERS),
    ),
    Row("record_tool_verdict", _record_tool_verdict, WORKERS),
    Row("release_link", _release_link, WORKERS),
    Row(
        "renew_links",
        lambda world, actor: renew_links(world.store, actor, holder=HOLDER, lease_s=60),
        WORKERS,
    ),
    Row("start_calls", _start_calls, WORKERS),
    Row("withdraw_call", _withdraw_call, WORKERS),
)
