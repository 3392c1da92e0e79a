"""The pages of chats: the list, and what makes, names and archives one."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from driftpin import limits
from driftpin.errors import Malformed
from driftpin.identity import Actor, WorkspaceId, is_id
from driftpin.operations.create_chat import OFFLINE_MODEL, create_chat
from driftpin.operations.update_chat import update_chat
from driftpin.server.access import CurrentUser
from driftpin.server.forms import SentForm
from driftpin.server.pages import page, see_other, shell_of
from driftpin.server.parameters import ChatIdPath, CursorQuery, FlagQuery
from driftpin.server.services import services_of
from driftpin.store.store import Store
from driftpin.store.values import WorkspaceRow
from driftpin.web.chat_views import ChatList, chat_line, choices

router = APIRouter(include_in_schema=False)

TextQuery = Annotated[str, Query(max_length=limits.TITLE_CHARACTERS_MAX)]


@router.get("/")
async def show_chats(
    actor: CurrentUser,
    request: Request,
    *,
    q: TextQuery = "",
    dirty: FlagQuery = False,
    archived: FlagQuery = False,
    cursor: CursorQuery = None,
) -> Response:
    """Show the chats that the caller may read."""
    services = services_of(request)
    shell = await shell_of(services, actor, request, "Chats")
    purpose = repr(("page of chats", actor.name, q, dirty, archived))
    found = await services.store.list_chats(
        actor,
        is_dirty=True if dirty else None,
        is_archived=archived,
        text=q or None,
        after=services.cursors.read_page(purpose, cursor),
        limit=limits.API_PAGE_ITEMS_DEFAULT,
    )
    rows = await list_own_workspaces(services.store, actor)
    names = _names(rows)
    view = ChatList(
        lines=tuple(chat_line(each, names) for each in found.items),
        choices=choices(rows),
        model=OFFLINE_MODEL,
        text=q,
        is_dirty_only=dirty,
        is_archived=archived,
        next=services.cursors.write_page(purpose, found.next),
    )
    return page(services, "chats.html", shell, view)


@router.post("/chats")
async def make_chat(actor: CurrentUser, request: Request, form: SentForm) -> Response:
    """Create a chat, and go there."""
    workspace_id = form.text("workspace")
    if not is_id(workspace_id):
        raise Malformed("An id is a lower-case UUID.", code="bad_id")
    view = await create_chat(
        services_of(request).store,
        actor,
        WorkspaceId(workspace_id),
        title=form.text("title").strip(),
        model=form.text("model").strip() or OFFLINE_MODEL,
    )
    return see_other(f"/chats/{view.chat.id}")


@router.post("/chats/{chat_id}/settings")
async def change_chat(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, form: SentForm
) -> Response:
    """Give a chat another title, archive it, or bring it back."""
    archived = form.text("archived")
    await update_chat(
        services_of(request).store,
        actor,
        chat_id,
        title=form.text("title").strip() if "title" in form.fields else None,
        is_archived=archived == "1" if archived in ("0", "1") else None,
    )
    return see_other(f"/chats/{chat_id}")


async def list_own_workspaces(store: Store, actor: Actor) -> tuple[WorkspaceRow, ...]:
    """Return the first workspaces of the caller; whoever has more of them uses the API."""
    return (await store.list_workspaces(actor, limit=limits.API_PAGE_ITEMS_MAX)).items


def _names(rows: tuple[WorkspaceRow, ...]) -> Mapping[WorkspaceId, str]:
    return {row.id: row.name for row in rows}


__all__ = ["list_own_workspaces", "router"]
