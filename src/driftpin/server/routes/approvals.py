"""Approvals of MCP servers: nothing that a workspace brings starts by itself."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from driftpin.identity import Actor, WorkspaceId
from driftpin.operations.decide_server import decide_server
from driftpin.operations.withdraw_decision import withdraw_decision
from driftpin.server.access import CurrentUser
from driftpin.server.approval_telling import tell_agent
from driftpin.server.approval_view import show_servers
from driftpin.server.body import JsonBody
from driftpin.server.parameters import DigestPath, WorkspaceIdPath
from driftpin.server.replies import reply
from driftpin.server.services import Services, services_of
from driftpin.store.approval_values import Decision
from driftpin.wire.api import PageShape
from driftpin.wire.approvals import DecisionRequest, ServerShape

router = APIRouter(prefix="/api/v1", tags=["approvals"])

Decided = Annotated[DecisionRequest, Depends(JsonBody(DecisionRequest))]
PATH = "/workspaces/{workspace_id}/approvals"


@router.get(PATH, response_model=PageShape[ServerShape])
async def list_approvals(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath
) -> Response:
    """Return the MCP servers of a workspace, each with what was decided and how it stands."""
    items = await show_servers(services_of(request).store, actor, workspace_id)
    return reply(PageShape[ServerShape](items=items, next=None))


@router.put(PATH + "/{digest}", response_model=PageShape[ServerShape])
async def decide(
    actor: CurrentUser,
    request: Request,
    workspace_id: WorkspaceIdPath,
    digest: DigestPath,
    decided: Decided,
) -> Response:
    """Allow or deny the server of one identity; the workspace's agent hears of it at once."""
    services = services_of(request)
    decision = Decision(
        identity=digest,
        is_allowed=decided.decision == "allow",
        keyed_digest=decided.keyed_digest,
        allows_private=decided.allows_private,
    )
    await decide_server(services.store, actor, workspace_id, decision)
    return await _told(services, actor, workspace_id)


@router.delete(PATH + "/{digest}", response_model=PageShape[ServerShape])
async def withdraw(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath, digest: DigestPath
) -> Response:
    """Take a decision back; the server is ended and waits for a person again."""
    services = services_of(request)
    await withdraw_decision(services.store, actor, workspace_id, digest)
    return await _told(services, actor, workspace_id)


async def _told(services: Services, actor: Actor, workspace_id: WorkspaceId) -> Response:
    await tell_agent(services, actor, workspace_id)
    items = await show_servers(services.store, actor, workspace_id)
    return reply(PageShape[ServerShape](items=items, next=None))


__all__ = ["router"]
