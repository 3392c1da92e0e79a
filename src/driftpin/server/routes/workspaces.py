"""Workspaces, their agents, their heads."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from driftpin import limits
from driftpin.identity import AgentId, Digest
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.delete_agent import delete_agent
from driftpin.operations.delete_workspace import delete_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.import_snapshot import import_snapshot
from driftpin.operations.refresh_workspace_chats import refresh_workspace_chats
from driftpin.operations.rotate_agent_token import rotate_agent_token
from driftpin.server.access import CurrentUser
from driftpin.server.body import JsonBody
from driftpin.server.idempotency import Repeatable
from driftpin.server.outcomes import outcomes_shape
from driftpin.server.parameters import AgentIdPath, CursorQuery, LimitQuery, WorkspaceIdPath
from driftpin.server.replies import (
    agent_fields,
    page_shape,
    reply,
    resource_shapes,
    snapshot_shape,
    workspace_context_shape,
    workspace_shape,
)
from driftpin.server.services import services_of
from driftpin.server.sync_switch import refuse_while_paused
from driftpin.store.store import Store
from driftpin.store.values import AgentRow, WorkspaceRow
from driftpin.wire import api
from driftpin.wire.agent import InlineBlob
from driftpin.wire.moves import RefreshManyRequest, RefreshOutcomeShape
from driftpin.wire.push import read_blobs, read_manifest

router = APIRouter(prefix="/api/v1", tags=["workspaces"])

NewWorkspace = Annotated[api.CreateWorkspaceRequest, Depends(JsonBody(api.CreateWorkspaceRequest))]
NewAgent = Annotated[
    api.CreateAgentRequest, Depends(JsonBody(api.CreateAgentRequest, may_be_empty=True))
]
Many = Annotated[RefreshManyRequest, Depends(JsonBody(RefreshManyRequest, may_be_empty=True))]
Imported = Annotated[
    api.ImportSnapshotRequest,
    Depends(JsonBody(api.ImportSnapshotRequest, bytes_max=limits.IMPORT_BODY_BYTES_MAX)),
]


@router.get("/workspaces", response_model=api.PageShape[api.WorkspaceShape])
async def list_workspaces(
    actor: CurrentUser,
    request: Request,
    cursor: CursorQuery = None,
    limit: LimitQuery = limits.API_PAGE_ITEMS_DEFAULT,
) -> Response:
    """Return the caller's workspaces, oldest first."""
    services, purpose = services_of(request), f"workspaces {actor.name}"
    after = services.cursors.read_page(purpose, cursor)
    page = await services.store.list_workspaces(actor, after=after, limit=limit)
    quota = services.store.database.quotas.workspace_bytes_max
    shape = partial(workspace_shape, used_bytes_max=quota)
    return reply(page_shape(page, shape, services.cursors.write_page(purpose, page.next)))


@router.post("/workspaces", response_model=api.WorkspaceShape, status_code=201)
async def add_workspace(actor: CurrentUser, new: NewWorkspace, once: Repeatable) -> Response:
    """Create a workspace that belongs to the caller."""

    async def create(store: Store) -> WorkspaceRow:
        return await create_workspace(store, actor, new.name)

    return await once.reply(actor, new, create, workspace_shape)


@router.get("/workspaces/{workspace_id}", response_model=api.WorkspaceShape)
async def get_workspace(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath
) -> Response:
    """Return a workspace."""
    store = services_of(request).store
    row = await store.get_workspace(actor, workspace_id)
    return reply(workspace_shape(row, store.database.quotas.workspace_bytes_max))


@router.delete("/workspaces/{workspace_id}", status_code=204)
async def remove_workspace(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath
) -> Response:
    """Delete a workspace with its agents; its chats stay readable."""
    await delete_workspace(services_of(request).store, actor, workspace_id)
    return Response(status_code=204)


@router.get("/workspaces/{workspace_id}/agents", response_model=api.PageShape[api.AgentShape])
async def list_agents(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath
) -> Response:
    """Return the agents of a workspace."""
    services = services_of(request)
    workspace = await services.store.get_workspace(actor, workspace_id)
    rows = await services.store.list_agents(actor, workspace_id)
    items = tuple(api.AgentShape(**_fields(row, workspace.current_agent_id)) for row in rows)
    return reply(api.PageShape[api.AgentShape](items=items, next=None))


@router.post(
    "/workspaces/{workspace_id}/agents", response_model=api.CreatedAgentShape, status_code=201
)
async def add_agent(
    actor: CurrentUser,
    workspace_id: WorkspaceIdPath,
    new: NewAgent,
    once: Repeatable,
) -> Response:
    """Enrol an agent; its token is shown this once. It replaces nobody until it has pushed."""

    async def create(store: Store) -> tuple[AgentRow, str]:
        return await enrol_agent(store, actor, workspace_id, new.name)

    def shape_of(enrolled: tuple[AgentRow, str]) -> api.CreatedAgentShape:
        row, secret = enrolled
        return api.CreatedAgentShape(**_fields(row, None), token=secret)

    return await once.reply(actor, new, create, shape_of, is_secret=True)


@router.get("/agents/{agent_id}", response_model=api.AgentShape)
async def get_agent(actor: CurrentUser, request: Request, agent_id: AgentIdPath) -> Response:
    """Return an agent; what it observed is for the workspace's owner only."""
    services = services_of(request)
    row = await services.store.get_agent(actor, agent_id)
    current_id = (await services.store.get_workspace(actor, row.workspace_id)).current_agent_id
    return reply(api.AgentShape(**_fields(row, current_id)))


@router.delete("/agents/{agent_id}", status_code=204)
async def remove_agent(actor: CurrentUser, request: Request, agent_id: AgentIdPath) -> Response:
    """Delete an agent; pins that came from it stay."""
    services = services_of(request)
    await delete_agent(services.store, actor, agent_id)
    await services.links.close(agent_id, "agent_gone")
    return Response(status_code=204)


@router.post("/agents/{agent_id}/token", response_model=api.CreatedAgentShape)
async def renew_agent_token(
    actor: CurrentUser, request: Request, agent_id: AgentIdPath
) -> Response:
    """Give an agent a new token, shown this once; the ones before it end after an hour.

    Those of a locked agent end at once, and it is unlocked.
    """
    services = services_of(request)
    _, secret = await rotate_agent_token(services.store, actor, agent_id)
    row = await services.store.get_agent(actor, agent_id)
    current_id = (await services.store.get_workspace(actor, row.workspace_id)).current_agent_id
    return reply(api.CreatedAgentShape(**_fields(row, current_id), token=secret))


@router.post("/agents/{agent_id}/resync", response_model=api.AgentShape)
async def resync_agent(actor: CurrentUser, request: Request, agent_id: AgentIdPath) -> Response:
    """Have the agent look at its workspace anew; answers when that look was accepted."""
    services = services_of(request)
    refuse_while_paused(services)
    await services.calls.call(actor, agent_id, "resync", {})
    row = await services.store.get_agent(actor, agent_id)
    current_id = (await services.store.get_workspace(actor, row.workspace_id)).current_agent_id
    return reply(api.AgentShape(**_fields(row, current_id)))


@router.get("/workspaces/{workspace_id}/context", response_model=api.WorkspaceContextShape)
async def get_workspace_context(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath
) -> Response:
    """Return the head of the workspace's current agent: its inventory, without bodies."""
    store = services_of(request).store
    agent, manifest, entries = await store.get_workspace_head(actor, workspace_id)
    return reply(workspace_context_shape(agent, resource_shapes(manifest, entries)))


@router.post(
    "/workspaces/{workspace_id}/context/refresh",
    response_model=api.PageShape[RefreshOutcomeShape],
)
async def refresh_workspace(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath, many: Many
) -> Response:
    """Refresh every dirty chat of the caller there, with one outcome per chat."""
    store = services_of(request).store
    outcomes = await refresh_workspace_chats(store, actor, workspace_id, dry_run=many.dry_run)
    return reply(await outcomes_shape(store, actor, outcomes))


@router.post(
    "/workspaces/{workspace_id}/snapshots", response_model=api.SnapshotShape, status_code=201
)
async def add_snapshot(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath, imported: Imported
) -> Response:
    """Store a snapshot that is not a head; a chat can be created on it."""
    claimed = None if imported.digest is None else Digest(imported.digest)
    snapshot = read_manifest(imported.manifest, claimed)
    given = tuple(InlineBlob.model_validate(blob) for blob in imported.blobs)
    blobs = read_blobs(given, snapshot)
    stored = await import_snapshot(services_of(request).store, actor, workspace_id, snapshot, blobs)
    shape = snapshot_shape(stored)
    assert shape is not None, "what was stored is there"
    return reply(shape, status=201)


def _fields(row: AgentRow, current_id: AgentId | None) -> dict[str, Any]:
    return agent_fields(row, is_current=row.id == current_id)


__all__ = ["router"]
