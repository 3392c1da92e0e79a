"""The agent's side of the API: everything here takes an agent's own token (spec/context.md §6)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, WebSocket
from starlette.responses import Response

from driftpin import limits
from driftpin.errors import Forbidden
from driftpin.failpoints import Failpoint
from driftpin.identity import Actor, AgentId, Digest
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.refresh_agent_chats import refresh_agent_chats
from driftpin.operations.say_hello import say_hello
from driftpin.operations.store_blobs import store_blobs
from driftpin.server.access import CurrentAgent
from driftpin.server.body import JsonBody
from driftpin.server.link import serve_link
from driftpin.server.measuring import note_result
from driftpin.server.outcomes import outcomes_shape
from driftpin.server.replies import reply
from driftpin.server.services import Services, services_of
from driftpin.server.sync_switch import refuse_while_paused
from driftpin.store.values import HelloOutcome, PushResult
from driftpin.wire import agent as wire
from driftpin.wire.api import PageShape
from driftpin.wire.approvals import AllowedServerShape, AllowedServersReply
from driftpin.wire.moves import RefreshManyRequest, RefreshOutcomeShape
from driftpin.wire.push import check_protocol, read_blobs, read_manifest, read_observations

router = APIRouter(prefix="/api/v1/agent", tags=["agent"])

Hello = Annotated[wire.HelloRequest, Depends(JsonBody(wire.HelloRequest))]
Push = Annotated[
    wire.PushRequest,
    Depends(JsonBody(wire.PushRequest, bytes_max=limits.SERVER_PUSH_BODY_BYTES_MAX)),
]
Many = Annotated[RefreshManyRequest, Depends(JsonBody(RefreshManyRequest, may_be_empty=True))]
Blobs = Annotated[
    wire.BlobsRequest,
    Depends(JsonBody(wire.BlobsRequest, bytes_max=limits.SERVER_BLOBS_BODY_BYTES_MAX)),
]


def _agent_id(actor: Actor) -> AgentId:
    assert actor.agent_id is not None, "an agent has an id"
    return actor.agent_id


@router.post("/hello", response_model=wire.HelloReply)
async def hello(actor: CurrentAgent, request: Request, introduction: Hello) -> Response:
    """Begin or continue a run; the incarnation fences every earlier one."""
    check_protocol(introduction.protocol, wire.PROTOCOL_VERSIONS)
    services = services_of(request)
    async with services.admission.place():
        outcome = await _say_hello(services, actor, introduction)
    await services.links.fence(outcome.agent_id, outcome.incarnation)
    return reply(
        wire.HelloReply(
            agent_id=outcome.agent_id,
            workspace_id=outcome.workspace_id,
            incarnation=outcome.incarnation,
            head=_head_shape(outcome),
        )
    )


async def _say_hello(services: Services, actor: Actor, introduction: Hello) -> HelloOutcome:
    try:
        return await say_hello(
            services.store,
            actor,
            run_id=introduction.run_id,
            hostname=introduction.hostname,
            os=introduction.os,
            version=introduction.version,
            roots=introduction.roots,
        )
    except Forbidden as refusal:
        await services.links.close(_agent_id(actor), refusal.code)
        raise


def _head_shape(outcome: HelloOutcome) -> wire.HeadShape | None:
    if outcome.head is None:
        return None
    return wire.HeadShape(
        digest=outcome.head.digest, incarnation=outcome.incarnation, seq=outcome.head_seq
    )


@router.post("/snapshots", response_model=wire.PushReply)
async def push(actor: CurrentAgent, request: Request, pushed: Push) -> Response:
    """Accept a push, or refuse it and change nothing."""
    services = services_of(request)
    reach = services.store.database.reach
    await reach(Failpoint.PUSH_RECV)
    refuse_while_paused(services)
    services.gate.count_push(_agent_id(actor))
    claimed = None if pushed.digest is None else Digest(pushed.digest)
    snapshot = read_manifest(pushed.manifest, claimed)
    blobs = read_blobs(pushed.blobs, snapshot)
    observations = read_observations(pushed.observations)
    await reach(Failpoint.PUSH_VALIDATED)
    async with services.admission.place():
        outcome = await accept_snapshot(
            services.store,
            actor,
            incarnation=pushed.incarnation,
            seq=pushed.seq,
            snapshot=snapshot,
            observations=observations,
            blobs=blobs,
        )
    if outcome.result is PushResult.ACCEPTED:
        services.drift_keeper.schedule(_agent_id(actor))
    note_result(request.scope, outcome.result.value)
    head = wire.HeadShape(
        digest=outcome.head.digest, incarnation=outcome.incarnation, seq=outcome.seq
    )
    answer = reply(wire.PushReply(result=outcome.result.value, head=head))
    await reach(Failpoint.PUSH_ACKED)
    return answer


@router.post("/blobs", response_model=wire.BlobsReply)
async def upload_blobs(actor: CurrentAgent, request: Request, offered: Blobs) -> Response:
    """Store bytes ahead of a push; offering them again renews their grace."""
    refuse_while_paused(services_of(request))
    blobs = read_blobs(offered.blobs)
    services = services_of(request)
    async with services.admission.place():
        await store_blobs(services.store, actor, blobs)
    return reply(wire.BlobsReply(stored=tuple(digest for digest, _ in blobs)))


@router.post("/context/refresh", response_model=PageShape[RefreshOutcomeShape])
async def refresh(actor: CurrentAgent, request: Request, many: Many) -> Response:
    """Refresh the owner's chats of this agent, never over behavioural or risky drift.

    Off unless the server was started with it: whoever can edit a file could accept the edit.
    """
    services = services_of(request)
    if not services.options.agents_may_refresh:
        raise Forbidden("Agents may not refresh on this server.", code="agent_refresh_off")
    outcomes = await refresh_agent_chats(services.store, actor, dry_run=many.dry_run)
    return reply(await outcomes_shape(services.store, actor, outcomes))


@router.get("/approvals", response_model=AllowedServersReply)
async def list_allowed_servers(actor: CurrentAgent, request: Request) -> Response:
    """Return the MCP servers that the agent's workspace allows it to run."""
    allowed = await services_of(request).store.list_allowed_servers(actor)
    items = tuple(
        AllowedServerShape(
            identity=decision.identity,
            keyed_digest=decision.keyed_digest,
            allows_private=decision.allows_private,
        )
        for decision in allowed
    )
    return reply(AllowedServersReply(items=items))


@router.websocket("/link")
async def link(socket: WebSocket) -> None:
    """Hold the agent's link: liveness, and calls from the server to the agent."""
    await serve_link(socket)


__all__ = ["router"]
