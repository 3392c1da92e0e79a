"""Who may do what with decisions about MCP servers."""

from typing import Final

from driftpin.context.manifest import snapshot_of
from driftpin.context.resource import Kind, Resource, ServerBody, Status
from driftpin.identity import Actor, Digest, digest_of
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.decide_server import decide_server
from driftpin.operations.withdraw_decision import withdraw_decision
from driftpin.store.approval_values import Decision
from seams.access_table import EVERY_AGENT, MASTER_WORKSPACE
from seams.access_world import MASTERS, Caller, Row, World, outcomes

LAUNCH: Final = b'{"command":"run"}'
IDENTITY: Final = digest_of(LAUNCH)


async def list_server(world: World) -> Digest:
    """Have the owner's agent list a server, and return its identity."""
    body = ServerBody(IDENTITY, None)
    listed = snapshot_of([Resource(Kind.MCP_SERVER, "mcp:one", Status.OK, body=body)])
    with world.recorder.aside():
        world.pushes += 1
        await accept_snapshot(
            world.store,
            world.people.agent,
            incarnation=1,
            seq=world.pushes,
            snapshot=listed,
            observations={},
            blobs=[(IDENTITY, LAUNCH)],
        )
    return IDENTITY


async def _decide(world: World, actor: Actor) -> object:
    identity = await list_server(world)
    await decide_server(world.store, actor, world.workspace_id, Decision(identity, is_allowed=True))
    return "decided"


async def _decided(world: World) -> Digest:
    identity = await list_server(world)
    with world.recorder.aside():
        await decide_server(
            world.store,
            world.people.owner,
            world.people.workspace_id,
            Decision(identity, is_allowed=True),
        )
    return identity


async def _withdraw(world: World, actor: Actor) -> object:
    identity = await _decided(world)
    await withdraw_decision(world.store, actor, world.workspace_id, identity)
    return "withdrawn"


async def _list_approvals(world: World, actor: Actor) -> object:
    await _decided(world)
    return await world.store.list_approvals(actor, world.workspace_id)


async def _list_allowed(world: World, actor: Actor) -> object:
    await _decided(world)
    return await world.store.list_allowed_servers(actor)


ROWS: Final = (
    Row(
        "Store.list_approvals",
        _list_approvals,
        outcomes("not_found", ok=MASTERS | {Caller.WORKER, Caller.OWN_AGENT}),
    ),
    Row(
        "Store.list_allowed_servers",
        _list_allowed,
        {**EVERY_AGENT, Caller.OTHER_AGENT: "nothing"},
    ),
    Row("decide_server", _decide, MASTER_WORKSPACE),
    Row("withdraw_decision", _withdraw, MASTER_WORKSPACE),
)
