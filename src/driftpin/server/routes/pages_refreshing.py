"""A refresh of every dirty chat in a workspace: what each would get, and then what became of it."""

from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.responses import Response

from driftpin import limits
from driftpin.context.drift import Drift
from driftpin.errors import NotFound
from driftpin.identity import Actor, ChatId, WorkspaceId
from driftpin.operations.refresh_workspace_chats import refresh_workspace_chats
from driftpin.server.access import CurrentUser
from driftpin.server.forms import SentForm
from driftpin.server.pages import page, shell_of
from driftpin.server.parameters import WorkspaceIdPath
from driftpin.server.services import services_of
from driftpin.store.store import Store
from driftpin.web.refresh_views import Seen, pair_of, refresh_shown

router = APIRouter(prefix="/workspaces/{workspace_id}/refresh", include_in_schema=False)


@router.get("")
async def show_refresh(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath
) -> Response:
    """Show what each chat would get; nothing moves."""
    services = services_of(request)
    shell = await shell_of(services, actor, request, "Refresh")
    moves = await refresh_workspace_chats(services.store, actor, workspace_id, dry_run=True)
    seen = await _look(services.store, actor, workspace_id)
    return page(services, "refresh.html", shell, refresh_shown(seen, moves, is_done=False))


@router.post("")
async def refresh_all(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath, form: SentForm
) -> Response:
    """Move every dirty chat to the heads that were shown, and to no others."""
    services = services_of(request)
    shell = await shell_of(services, actor, request, "Refreshed")
    seen = await _look(services.store, actor, workspace_id)
    moves = await refresh_workspace_chats(
        services.store, actor, workspace_id, shown=form.digests("shown")
    )
    # What became of them stands still; nothing that happens later makes it another.
    shell = replace(shell, events="")
    return page(services, "refresh.html", shell, refresh_shown(seen, moves, is_done=True))


async def _look(store: Store, actor: Actor, workspace_id: WorkspaceId) -> Seen:
    """Return the dirty chats as they are; of very many different pins only some are compared."""
    workspace = await store.get_workspace(actor, workspace_id)
    found = await store.list_chats(
        actor, workspace_id=workspace_id, is_dirty=True, limit=limits.API_PAGE_ITEMS_MAX
    )
    first = {pair_of(view): view.chat.id for view in reversed(found.items)}
    compared = list(first.items())[-limits.API_PAGE_ITEMS_DEFAULT :]
    drifts = {pair: await _drift(store, actor, chat_id) for pair, chat_id in compared}
    return Seen(workspace, found.items, drifts)


async def _drift(store: Store, actor: Actor, chat_id: ChatId) -> Drift:
    """Return everything that differs, what is held included; nothing for a chat that just left."""
    try:
        return (await store.read_drift(actor, chat_id)).drift
    except NotFound:
        return Drift((), None)


__all__ = ["router"]
