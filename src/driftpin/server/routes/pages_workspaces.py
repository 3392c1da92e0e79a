"""The pages of workspaces: agents, the head, servers that wait for a person, and single bytes."""

import json
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from driftpin import limits
from driftpin.context.bodies import decode_text
from driftpin.context.manifest import resources_of
from driftpin.errors import Malformed
from driftpin.identity import Digest
from driftpin.operations.decide_server import decide_server
from driftpin.server.access import CurrentUser
from driftpin.server.approval_telling import tell_agent
from driftpin.server.approval_view import show_servers
from driftpin.server.forms import SentForm
from driftpin.server.pages import page, see_other, shell_of
from driftpin.server.parameters import CursorQuery, DigestPath, WorkspaceIdPath
from driftpin.server.services import services_of
from driftpin.store.approval_values import Decision
from driftpin.web.chat_views import titled
from driftpin.web.context_views import resource_lines
from driftpin.web.policy_views import workspace_policies_shown
from driftpin.web.workspace_views import (
    DigestShown,
    ServerLine,
    UserOfDigest,
    WorkspaceList,
    WorkspaceShown,
    agent_lines,
    workspace_line,
)
from driftpin.wire.approvals import ServerShape

router = APIRouter(include_in_schema=False)

DECISIONS: Final = {"allow": True, "deny": False}


@router.get("/workspaces")
async def show_workspaces(
    actor: CurrentUser, request: Request, cursor: CursorQuery = None
) -> Response:
    """Show the caller's workspaces."""
    services, purpose = services_of(request), f"page of workspaces {actor.name}"
    shell = await shell_of(services, actor, request, "Workspaces")
    after = services.cursors.read_page(purpose, cursor)
    found = await services.store.list_workspaces(
        actor, after=after, limit=limits.API_PAGE_ITEMS_DEFAULT
    )
    view = WorkspaceList(
        lines=tuple(workspace_line(row) for row in found.items),
        next=services.cursors.write_page(purpose, found.next),
    )
    return page(services, "workspaces.html", shell, view)


@router.get("/workspaces/{workspace_id}")
async def show_workspace(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath
) -> Response:
    """Show a workspace with its agents, its head, and the servers that it lists."""
    services = services_of(request)
    store = services.store
    shell = await shell_of(services, actor, request, "Workspace")
    row = await store.get_workspace(actor, workspace_id)
    _, manifest, entries = await store.get_workspace_head(actor, workspace_id)
    servers = await show_servers(store, actor, workspace_id)
    exact = await store.read_blobs(
        actor, workspace_id, {Digest(server.identity) for server in servers}
    )
    view = WorkspaceShown(
        line=workspace_line(row),
        policies=workspace_policies_shown(row.id, row.policies),
        agents=agent_lines(await store.list_agents(actor, workspace_id), row.current_agent_id),
        servers=tuple(
            _server(server, exact.get(Digest(server.identity), b"")) for server in servers
        ),
        resources=resource_lines(() if manifest is None else resources_of(manifest), entries),
    )
    return page(services, "workspace.html", shell, view)


def _server(shape: ServerShape, exact: bytes) -> ServerLine:
    launch = "" if shape.launch is None else json.dumps(shape.launch, ensure_ascii=False, indent=2)
    return ServerLine(
        source=shape.source or "",
        identity=Digest(shape.identity),
        launch=launch,
        exact=exact.decode(),
        keyed_digest=shape.keyed_digest or "",
        decision=shape.decision,
        state=shape.state or "",
        reason=shape.reason or "",
        detail=shape.detail or "",
        decided_at=shape.decided_at,
    )


@router.post("/workspaces/{workspace_id}/approvals")
async def decide(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath, form: SentForm
) -> Response:
    """Allow or deny the server whose bytes were shown; its agent hears of it at once."""
    services = services_of(request)
    if form.text("decision") not in DECISIONS:
        raise Malformed("A decision is allow or deny.", code="bad_decision")
    decision = Decision(
        identity=form.digest("identity"),
        is_allowed=DECISIONS[form.text("decision")],
        keyed_digest=form.text("keyed_digest") or None,
        allows_private=form.text("private") == "1",
    )
    await decide_server(services.store, actor, workspace_id, decision)
    await tell_agent(services, actor, workspace_id)
    return see_other(f"/workspaces/{workspace_id}")


@router.get("/digests/{digest}")
async def show_digest(actor: CurrentUser, request: Request, digest: DigestPath) -> Response:
    """Show the bytes of a file, skill or tool, and which chats run on them."""
    services = services_of(request)
    shell = await shell_of(services, actor, request, "Contents")
    content = await services.store.read_blob(actor, digest)
    text = decode_text(content)
    uses = await services.store.list_uses(actor, digest, None, limits.API_PAGE_ITEMS_DEFAULT)
    view = DigestShown(
        digest=digest,
        size_bytes=len(content),
        text=None if text is None else text[: limits.PAGE_TEXT_CHARACTERS_MAX],
        is_cut=text is not None and len(text) > limits.PAGE_TEXT_CHARACTERS_MAX,
        used_by=tuple(
            UserOfDigest(use.chat_id, titled(use.title), use.source, use.path) for use in uses.items
        ),
    )
    return page(services, "digest.html", shell, view)


__all__ = ["router"]
